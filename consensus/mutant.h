/* consensus/mutant.h - one rule broken at a time, for the tests that must notice (tests/twins). Only their own build of
 * these sources defines GIRO_MUTANTS; everywhere else GIRO_MUTANT_IS is 0 and no trace of a mutant is compiled: a test
 * looks for one in the archive. */
#ifndef GIRO_CONSENSUS_MUTANT_H
#define GIRO_CONSENSUS_MUTANT_H

#ifdef GIRO_MUTANTS

/* X(NAME, what is broken) */
#define GIRO_MUTANT_MAP(X)                                                                         \
    X(NONE, "nothing")                                                                             \
    X(QUORUM_ONE_TOO_SMALL, "q - 1 votes or timeouts are enough")                                  \
    X(NO_TC_CHECK, "a block's QC may be below its TC's high QC")                                   \
    X(NO_CONSECUTIVE_ROUNDS, "a block may skip rounds without a TC")                               \
    X(NO_LAST_VOTED_ROUND, "a vote may be at or below the last voted round")                       \
    X(TIMEOUT_DOES_NOT_VOTE, "a timeout does not raise the last voted round")                      \
    X(RESTART_LOSES_LOCK, "a restart forgets lock_round")                                          \
    X(RESTART_LOSES_VOTE, "a restart forgets last_voted_round")                                    \
    X(COMMIT_NOT_CONSECUTIVE, "a QC commits its parent whatever the rounds")                       \
    X(SENT_BEFORE_DURABLE, "a signature leaves before its record is on disk")                      \
    X(VOTE_BEFORE_BLOCK, "a vote does not wait for its block in the log")                          \
    X(VOTED_BLOCK_NOT_LOGGED, "blocks stay in memory")                                             \
    X(PROOF_NOT_CHECKED, "a reference needs no valid proof of availability")                       \
    X(BATCH_TWICE, "a batch may be in an ancestor, or executed before")                            \
    X(LEADER_NOT_CHECKED, "anybody may author the block of a round")                               \
    X(TIME_NOT_CHECKED, "a block's time need not be near our clock")                               \
    X(WRONG_TAG, "votes are signed under the tag of timeouts")                                     \
    X(SYNC_NOT_VERIFIED, "certificates in sync info are adopted unverified")                       \
    X(VOTES_NOT_VERIFIED, "votes are counted unverified")                                          \
    X(TC_NOT_VERIFIED, "signatures inside a TC are not verified")                                  \
    X(RESTART_LOSES_PROPOSAL, "a restarted leader proposes in a round it may have proposed in")    \
    X(STORED_VOTE_NOT_RESENT, "a restart does not send the last vote again")                       \
    X(CLONE_NOT_NOTICED, "a safety file older than what peers saw still signs")                    \
    X(HELLO_NOT_VERIFIED, "a start believes unverified what peers say it signed")                  \
    X(EXPIRY_BY_LOCAL_CLOCK, "bodies are freed by the own clock, not by block time")

enum giro_mutant {
#define GIRO_MUTANT_ENUM(name, what) GIRO_MUTANT_##name,
    GIRO_MUTANT_MAP(GIRO_MUTANT_ENUM)
#undef GIRO_MUTANT_ENUM
        GIRO_MUTANTS_ALL
};
extern enum giro_mutant giro_mutant;
#define GIRO_MUTANT_IS(name) (giro_mutant == GIRO_MUTANT_##name)

#else

#define GIRO_MUTANT_IS(name) 0

#endif
#endif
