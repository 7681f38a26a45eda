/* Proves every offset table in giro/wire*.h: one line per field, in the order of the headers. Nothing here reaches
 * the program; a field that moves stops the build. */
#include "giro/wire.h"

GIRO_WIRE_AT(giro_head, magic, 0);
GIRO_WIRE_AT(giro_head, kind, 4);
GIRO_WIRE_AT(giro_head, version, 6);

GIRO_WIRE_AT(giro_record, uetr, 0);
GIRO_WIRE_AT(giro_record, amount_minor, 16);
GIRO_WIRE_AT(giro_record, link, 24);
GIRO_WIRE_AT(giro_record, creditor, 40);
GIRO_WIRE_AT(giro_record, debtor_account, 42);
GIRO_WIRE_AT(giro_record, creditor_account, 44);
GIRO_WIRE_AT(giro_record, currency, 46);
GIRO_WIRE_AT(giro_record, service, 48);
GIRO_WIRE_AT(giro_record, kind, 49);
GIRO_WIRE_AT(giro_record, priority, 50);
GIRO_WIRE_AT(giro_record, flags, 51);
GIRO_WIRE_AT(giro_record, value_date, 52);
GIRO_WIRE_AT(giro_record, reason, 54);
GIRO_WIRE_AT(giro_record, earliest_s, 56);
GIRO_WIRE_AT(giro_record, latest_s, 60);

GIRO_WIRE_AT(giro_frame_header, head, 0);
GIRO_WIRE_AT(giro_frame_header, chain_prefix, 8);
GIRO_WIRE_AT(giro_frame_header, member, 16);
GIRO_WIRE_AT(giro_frame_header, key_id, 18);
GIRO_WIRE_AT(giro_frame_header, channel, 20);
GIRO_WIRE_AT(giro_frame_header, record_count, 22);
GIRO_WIRE_AT(giro_frame_header, sequence, 24);
GIRO_WIRE_AT(giro_frame_header, details_bytes, 32);
GIRO_WIRE_AT(giro_frame_header, checker_key_id, 36);
GIRO_WIRE_AT(giro_frame_header, reserved, 38);

GIRO_WIRE_AT(giro_control, op, 0);
GIRO_WIRE_AT(giro_control, member, 2);
GIRO_WIRE_AT(giro_control, currency, 4);
GIRO_WIRE_AT(giro_control, account, 6);
GIRO_WIRE_AT(giro_control, amount_minor, 8);
GIRO_WIRE_AT(giro_control, value, 16);
GIRO_WIRE_AT(giro_control, link, 24);
GIRO_WIRE_AT(giro_control, reserved, 40);

GIRO_WIRE_AT(giro_details_header, record, 0);
GIRO_WIRE_AT(giro_details_header, ciphertext_bytes, 2);
GIRO_WIRE_AT(giro_details_header, creditor_key_id, 4);
GIRO_WIRE_AT(giro_details_header, supervisor_key_id, 6);
GIRO_WIRE_AT(giro_details_header, commitment, 8);
GIRO_WIRE_AT(giro_details_header, nonce, 40);
GIRO_WIRE_AT(giro_details_header, creditor_box, 64);
GIRO_WIRE_AT(giro_details_header, supervisor_box, 144);

GIRO_WIRE_AT(giro_details_keys_header, head, 0);
GIRO_WIRE_AT(giro_details_keys_header, chain_id, 8);
GIRO_WIRE_AT(giro_details_keys_header, member, 40);
GIRO_WIRE_AT(giro_details_keys_header, reserved, 42);

GIRO_WIRE_AT(giro_details_key, commitment, 0);
GIRO_WIRE_AT(giro_details_key, key, 32);
GIRO_WIRE_AT(giro_details_key, uetr, 64);
GIRO_WIRE_AT(giro_details_key, sequence, 80);
GIRO_WIRE_AT(giro_details_key, channel, 88);
GIRO_WIRE_AT(giro_details_key, record, 90);
GIRO_WIRE_AT(giro_details_key, reserved, 92);

GIRO_WIRE_AT(giro_disclosure_header, head, 0);
GIRO_WIRE_AT(giro_disclosure_header, size_bytes, 8);
GIRO_WIRE_AT(giro_disclosure_header, leaf_index, 12);
GIRO_WIRE_AT(giro_disclosure_header, height, 16);
GIRO_WIRE_AT(giro_disclosure_header, item_count, 24);
GIRO_WIRE_AT(giro_disclosure_header, block_count, 26);
GIRO_WIRE_AT(giro_disclosure_header, proof_bytes, 28);
GIRO_WIRE_AT(giro_disclosure_header, cycle_proof_bytes, 32);
GIRO_WIRE_AT(giro_disclosure_header, reserved, 36);

GIRO_WIRE_AT(giro_disclosure_item_header, record, 0);
GIRO_WIRE_AT(giro_disclosure_item_header, block_index, 2);
GIRO_WIRE_AT(giro_disclosure_item_header, block_bytes, 4);
GIRO_WIRE_AT(giro_disclosure_item_header, has_key, 6);
GIRO_WIRE_AT(giro_disclosure_item_header, reserved, 7);

GIRO_WIRE_AT(giro_details_day_header, head, 0);
GIRO_WIRE_AT(giro_details_day_header, chain_id, 8);
GIRO_WIRE_AT(giro_details_day_header, member, 40);
GIRO_WIRE_AT(giro_details_day_header, business_date, 42);
GIRO_WIRE_AT(giro_details_day_header, reserved, 44);

GIRO_WIRE_AT(giro_result, status, 0);
GIRO_WIRE_AT(giro_result, flags, 1);
GIRO_WIRE_AT(giro_result, reason, 2);
GIRO_WIRE_AT(giro_result, cycle, 4);

GIRO_WIRE_AT(giro_leaf_frame, height, 0);
GIRO_WIRE_AT(giro_leaf_frame, index, 8);
GIRO_WIRE_AT(giro_leaf_frame, member, 12);
GIRO_WIRE_AT(giro_leaf_frame, channel, 14);
GIRO_WIRE_AT(giro_leaf_frame, sequence, 16);
GIRO_WIRE_AT(giro_leaf_frame, frame_hash, 24);
GIRO_WIRE_AT(giro_leaf_frame, outcome, 56);
GIRO_WIRE_AT(giro_leaf_frame, reserved, 57);
GIRO_WIRE_AT(giro_leaf_frame, record_count, 58);
GIRO_WIRE_AT(giro_leaf_frame, reserved2, 60);

GIRO_WIRE_AT(giro_leaf_status, height, 0);
GIRO_WIRE_AT(giro_leaf_status, index, 8);
GIRO_WIRE_AT(giro_leaf_status, member, 12);
GIRO_WIRE_AT(giro_leaf_status, channel, 14);
GIRO_WIRE_AT(giro_leaf_status, sequence, 16);
GIRO_WIRE_AT(giro_leaf_status, uetr, 24);
GIRO_WIRE_AT(giro_leaf_status, record, 40);
GIRO_WIRE_AT(giro_leaf_status, old_status, 42);
GIRO_WIRE_AT(giro_leaf_status, new_status, 43);
GIRO_WIRE_AT(giro_leaf_status, reason, 44);
GIRO_WIRE_AT(giro_leaf_status, reserved, 46);

GIRO_WIRE_AT(giro_leaf_cycle, height, 0);
GIRO_WIRE_AT(giro_leaf_cycle, index, 8);
GIRO_WIRE_AT(giro_leaf_cycle, cycle, 12);
GIRO_WIRE_AT(giro_leaf_cycle, currency, 16);
GIRO_WIRE_AT(giro_leaf_cycle, state, 18);
GIRO_WIRE_AT(giro_leaf_cycle, reserved, 19);
GIRO_WIRE_AT(giro_leaf_cycle, payment_count, 20);
GIRO_WIRE_AT(giro_leaf_cycle, gross_minor, 24);
GIRO_WIRE_AT(giro_leaf_cycle, net_minor, 40);
GIRO_WIRE_AT(giro_leaf_cycle, netting_root, 56);

GIRO_WIRE_AT(giro_receipt_item, sequence, 0);
GIRO_WIRE_AT(giro_receipt_item, frame_hash, 8);
GIRO_WIRE_AT(giro_receipt_item, height, 40);
GIRO_WIRE_AT(giro_receipt_item, leaf_index, 48);
GIRO_WIRE_AT(giro_receipt_item, channel, 52);
GIRO_WIRE_AT(giro_receipt_item, level, 54);
GIRO_WIRE_AT(giro_receipt_item, outcome, 55);
GIRO_WIRE_AT(giro_receipt_item, run_count, 56);
GIRO_WIRE_AT(giro_receipt_item, reserved, 58);

GIRO_WIRE_AT(giro_receipt_run, count, 0);
GIRO_WIRE_AT(giro_receipt_run, reserved, 2);
GIRO_WIRE_AT(giro_receipt_run, result, 4);

GIRO_WIRE_AT(giro_spool_header, head, 0);
GIRO_WIRE_AT(giro_spool_header, chain_id, 8);
GIRO_WIRE_AT(giro_spool_header, frame_count, 40);
GIRO_WIRE_AT(giro_spool_header, record_count, 48);
GIRO_WIRE_AT(giro_spool_header, created_ns, 56);

GIRO_WIRE_AT(giro_handshake_header, head, 0);
GIRO_WIRE_AT(giro_handshake_header, chain_prefix, 8);
GIRO_WIRE_AT(giro_handshake_header, step, 16);
GIRO_WIRE_AT(giro_handshake_header, version_min, 17);
GIRO_WIRE_AT(giro_handshake_header, version_max, 18);
GIRO_WIRE_AT(giro_handshake_header, reserved, 19);
GIRO_WIRE_AT(giro_handshake_header, replica, 20);
GIRO_WIRE_AT(giro_handshake_header, reserved2, 22);
GIRO_WIRE_AT(giro_handshake_header, initiator_id, 24);
GIRO_WIRE_AT(giro_handshake_header, reserved3, 28);

GIRO_WIRE_AT(giro_handshake_init_body, member, 0);
GIRO_WIRE_AT(giro_handshake_init_body, key_id, 2);
GIRO_WIRE_AT(giro_handshake_init_body, reserved, 4);
GIRO_WIRE_AT(giro_handshake_init_body, replaces, 8);
GIRO_WIRE_AT(giro_handshake_init_body, datagram_max, 12);
GIRO_WIRE_AT(giro_handshake_init_body, reserved2, 14);
GIRO_WIRE_AT(giro_handshake_init_body, time_ns, 16);
GIRO_WIRE_AT(giro_handshake_init_body, reserved3, 24);

GIRO_WIRE_AT(giro_handshake_response_body, credit, 0);
GIRO_WIRE_AT(giro_handshake_response_body, rekey_datagrams, 8);
GIRO_WIRE_AT(giro_handshake_response_body, responder_id, 16);
GIRO_WIRE_AT(giro_handshake_response_body, window, 20);
GIRO_WIRE_AT(giro_handshake_response_body, rekey_s, 24);
GIRO_WIRE_AT(giro_handshake_response_body, lifetime_s, 28);
GIRO_WIRE_AT(giro_handshake_response_body, datagram_max, 32);
GIRO_WIRE_AT(giro_handshake_response_body, keep_alive_s, 34);
GIRO_WIRE_AT(giro_handshake_response_body, version, 36);
GIRO_WIRE_AT(giro_handshake_response_body, reserved, 38);

GIRO_WIRE_AT(giro_session_header, head, 0);
GIRO_WIRE_AT(giro_session_header, receiver_id, 8);
GIRO_WIRE_AT(giro_session_header, floor, 12);
GIRO_WIRE_AT(giro_session_header, number, 16);

GIRO_WIRE_AT(giro_session_block_head, kind, 0);
GIRO_WIRE_AT(giro_session_block_head, reserved, 1);
GIRO_WIRE_AT(giro_session_block_head, size, 2);

GIRO_WIRE_AT(giro_session_ack, cumulative, 0);
GIRO_WIRE_AT(giro_session_ack, credit, 8);
GIRO_WIRE_AT(giro_session_ack, delay_us, 16);
GIRO_WIRE_AT(giro_session_ack, word_count, 20);
GIRO_WIRE_AT(giro_session_ack, reserved, 22);

GIRO_WIRE_AT(giro_session_refuse, sequence, 0);
GIRO_WIRE_AT(giro_session_refuse, channel, 8);
GIRO_WIRE_AT(giro_session_refuse, reason, 10);
GIRO_WIRE_AT(giro_session_refuse, wait_ms, 12);

GIRO_WIRE_AT(giro_session_ask, sequence, 0);
GIRO_WIRE_AT(giro_session_ask, channel, 8);
GIRO_WIRE_AT(giro_session_ask, want, 10);
GIRO_WIRE_AT(giro_session_ask, offset, 12);

GIRO_WIRE_AT(giro_session_proof, sequence, 0);
GIRO_WIRE_AT(giro_session_proof, channel, 8);
GIRO_WIRE_AT(giro_session_proof, reserved, 10);
GIRO_WIRE_AT(giro_session_proof, offset, 12);
GIRO_WIRE_AT(giro_session_proof, total, 16);
GIRO_WIRE_AT(giro_session_proof, reserved2, 20);

GIRO_WIRE_AT(giro_session_ping, token, 0);
GIRO_WIRE_AT(giro_session_ping, datagram_max, 8);
GIRO_WIRE_AT(giro_session_ping, reserved, 12);

GIRO_WIRE_AT(giro_session_pong, token, 0);
GIRO_WIRE_AT(giro_session_pong, size, 8);
GIRO_WIRE_AT(giro_session_pong, reserved, 12);

GIRO_WIRE_AT(giro_session_close, reason, 0);
GIRO_WIRE_AT(giro_session_close, reserved, 2);

GIRO_WIRE_AT(giro_session_channel, channel, 0);
GIRO_WIRE_AT(giro_session_channel, stopped, 2);
GIRO_WIRE_AT(giro_session_channel, reserved, 3);
GIRO_WIRE_AT(giro_session_channel, base, 8);
GIRO_WIRE_AT(giro_session_channel, frontier, 16);

GIRO_WIRE_AT(giro_proof_header, head, 0);
GIRO_WIRE_AT(giro_proof_header, height, 8);
GIRO_WIRE_AT(giro_proof_header, leaf_index, 16);
GIRO_WIRE_AT(giro_proof_header, leaf_count, 20);
GIRO_WIRE_AT(giro_proof_header, leaf_bytes, 24);
GIRO_WIRE_AT(giro_proof_header, path_count, 28);
GIRO_WIRE_AT(giro_proof_header, certificate_bytes, 32);
GIRO_WIRE_AT(giro_proof_header, epoch_end_bytes, 36);
GIRO_WIRE_AT(giro_proof_header, reserved, 40);

GIRO_WIRE_AT(giro_peer_envelope, head, 0);
GIRO_WIRE_AT(giro_peer_envelope, size_bytes, 8);
GIRO_WIRE_AT(giro_peer_envelope, body_kind, 12);
GIRO_WIRE_AT(giro_peer_envelope, sender, 14);
GIRO_WIRE_AT(giro_peer_envelope, epoch, 16);
GIRO_WIRE_AT(giro_peer_envelope, round, 24);
GIRO_WIRE_AT(giro_peer_envelope, high_qc_round, 32);
GIRO_WIRE_AT(giro_peer_envelope, high_tc_round, 40);
GIRO_WIRE_AT(giro_peer_envelope, committed_height, 48);
GIRO_WIRE_AT(giro_peer_envelope, certified_height, 56);

GIRO_WIRE_AT(giro_qc_header, head, 0);
GIRO_WIRE_AT(giro_qc_header, epoch, 8);
GIRO_WIRE_AT(giro_qc_header, round, 16);
GIRO_WIRE_AT(giro_qc_header, parent_round, 24);
GIRO_WIRE_AT(giro_qc_header, block_id, 32);
GIRO_WIRE_AT(giro_qc_header, commit_id, 64);
GIRO_WIRE_AT(giro_qc_header, bitmap, 96);
GIRO_WIRE_AT(giro_qc_header, scheme, 112);
GIRO_WIRE_AT(giro_qc_header, signer_count, 113);
GIRO_WIRE_AT(giro_qc_header, reserved, 114);

GIRO_WIRE_AT(giro_vote, head, 0);
GIRO_WIRE_AT(giro_vote, epoch, 8);
GIRO_WIRE_AT(giro_vote, round, 16);
GIRO_WIRE_AT(giro_vote, parent_round, 24);
GIRO_WIRE_AT(giro_vote, block_id, 32);
GIRO_WIRE_AT(giro_vote, commit_id, 64);
GIRO_WIRE_AT(giro_vote, voter, 96);
GIRO_WIRE_AT(giro_vote, reserved, 98);
GIRO_WIRE_AT(giro_vote, signature, 104);

GIRO_WIRE_AT(giro_timeout_header, head, 0);
GIRO_WIRE_AT(giro_timeout_header, epoch, 8);
GIRO_WIRE_AT(giro_timeout_header, round, 16);
GIRO_WIRE_AT(giro_timeout_header, high_qc_round, 24);
GIRO_WIRE_AT(giro_timeout_header, voter, 32);
GIRO_WIRE_AT(giro_timeout_header, has_last_tc, 34);
GIRO_WIRE_AT(giro_timeout_header, reserved, 35);
GIRO_WIRE_AT(giro_timeout_header, signature, 40);

GIRO_WIRE_AT(giro_tc_header, head, 0);
GIRO_WIRE_AT(giro_tc_header, epoch, 8);
GIRO_WIRE_AT(giro_tc_header, round, 16);
GIRO_WIRE_AT(giro_tc_header, bitmap, 24);
GIRO_WIRE_AT(giro_tc_header, scheme, 40);
GIRO_WIRE_AT(giro_tc_header, signer_count, 41);
GIRO_WIRE_AT(giro_tc_header, reserved, 42);

GIRO_WIRE_AT(giro_commit_body, head, 0);
GIRO_WIRE_AT(giro_commit_body, epoch, 8);
GIRO_WIRE_AT(giro_commit_body, height, 16);
GIRO_WIRE_AT(giro_commit_body, time_ns, 24);
GIRO_WIRE_AT(giro_commit_body, block_id, 32);
GIRO_WIRE_AT(giro_commit_body, state_root, 64);
GIRO_WIRE_AT(giro_commit_body, ledger_root, 96);

GIRO_WIRE_AT(giro_commit_vote, body, 0);
GIRO_WIRE_AT(giro_commit_vote, voter, 128);
GIRO_WIRE_AT(giro_commit_vote, reserved, 130);
GIRO_WIRE_AT(giro_commit_vote, signature, 136);

GIRO_WIRE_AT(giro_certificate_header, body, 0);
GIRO_WIRE_AT(giro_certificate_header, bitmap, 128);
GIRO_WIRE_AT(giro_certificate_header, scheme, 144);
GIRO_WIRE_AT(giro_certificate_header, signer_count, 145);
GIRO_WIRE_AT(giro_certificate_header, reserved, 146);

GIRO_WIRE_AT(giro_batch_header, head, 0);
GIRO_WIRE_AT(giro_batch_header, epoch, 8);
GIRO_WIRE_AT(giro_batch_header, sequence, 16);
GIRO_WIRE_AT(giro_batch_header, created_ns, 24);
GIRO_WIRE_AT(giro_batch_header, size_bytes, 32);
GIRO_WIRE_AT(giro_batch_header, frame_count, 36);
GIRO_WIRE_AT(giro_batch_header, record_count, 40);
GIRO_WIRE_AT(giro_batch_header, author, 44);
GIRO_WIRE_AT(giro_batch_header, reserved, 46);

GIRO_WIRE_AT(giro_batch_ack_header, head, 0);
GIRO_WIRE_AT(giro_batch_ack_header, epoch, 8);
GIRO_WIRE_AT(giro_batch_ack_header, expiry_ns, 16);
GIRO_WIRE_AT(giro_batch_ack_header, voter, 24);
GIRO_WIRE_AT(giro_batch_ack_header, id_count, 26);
GIRO_WIRE_AT(giro_batch_ack_header, reserved, 28);

GIRO_WIRE_AT(giro_batch_reference, batch_id, 0);
GIRO_WIRE_AT(giro_batch_reference, expiry_ns, 32);
GIRO_WIRE_AT(giro_batch_reference, size_bytes, 40);
GIRO_WIRE_AT(giro_batch_reference, frame_count, 44);
GIRO_WIRE_AT(giro_batch_reference, record_count, 48);
GIRO_WIRE_AT(giro_batch_reference, author, 52);
GIRO_WIRE_AT(giro_batch_reference, reserved, 54);
GIRO_WIRE_AT(giro_batch_reference, sequence, 56);

GIRO_WIRE_AT(giro_batch_proof_header, head, 0);
GIRO_WIRE_AT(giro_batch_proof_header, reference, 8);
GIRO_WIRE_AT(giro_batch_proof_header, scheme, 72);
GIRO_WIRE_AT(giro_batch_proof_header, signer_count, 73);
GIRO_WIRE_AT(giro_batch_proof_header, reserved, 74);
GIRO_WIRE_AT(giro_batch_proof_header, bitmap, 80);

GIRO_WIRE_AT(giro_block_header, head, 0);
GIRO_WIRE_AT(giro_block_header, chain_id, 8);
GIRO_WIRE_AT(giro_block_header, epoch, 40);
GIRO_WIRE_AT(giro_block_header, round, 48);
GIRO_WIRE_AT(giro_block_header, height, 56);
GIRO_WIRE_AT(giro_block_header, parent_id, 64);
GIRO_WIRE_AT(giro_block_header, qc_hash, 96);
GIRO_WIRE_AT(giro_block_header, tc_hash, 128);
GIRO_WIRE_AT(giro_block_header, certificate_hash, 160);
GIRO_WIRE_AT(giro_block_header, time_ns, 192);
GIRO_WIRE_AT(giro_block_header, certified_height, 200);
GIRO_WIRE_AT(giro_block_header, author, 208);
GIRO_WIRE_AT(giro_block_header, reference_count, 210);
GIRO_WIRE_AT(giro_block_header, reserved, 212);

GIRO_WIRE_AT(giro_proposal_header, head, 0);
GIRO_WIRE_AT(giro_proposal_header, qc_bytes, 8);
GIRO_WIRE_AT(giro_proposal_header, tc_bytes, 12);
GIRO_WIRE_AT(giro_proposal_header, certificate_bytes, 16);
GIRO_WIRE_AT(giro_proposal_header, proofs_bytes, 20);
GIRO_WIRE_AT(giro_proposal_header, block, 24);

GIRO_WIRE_AT(giro_sync_header, head, 0);
GIRO_WIRE_AT(giro_sync_header, qc_bytes, 8);
GIRO_WIRE_AT(giro_sync_header, tc_bytes, 12);
GIRO_WIRE_AT(giro_sync_header, reserved, 16);

GIRO_WIRE_AT(giro_fetch_blocks, head, 0);
GIRO_WIRE_AT(giro_fetch_blocks, block_id, 8);
GIRO_WIRE_AT(giro_fetch_blocks, from_height, 40);
GIRO_WIRE_AT(giro_fetch_blocks, count, 48);
GIRO_WIRE_AT(giro_fetch_blocks, reserved, 52);

GIRO_WIRE_AT(giro_fetch_batches_header, head, 0);
GIRO_WIRE_AT(giro_fetch_batches_header, count, 8);
GIRO_WIRE_AT(giro_fetch_batches_header, reserved, 12);

GIRO_WIRE_AT(giro_not_found, head, 0);
GIRO_WIRE_AT(giro_not_found, id, 8);
GIRO_WIRE_AT(giro_not_found, height, 40);
GIRO_WIRE_AT(giro_not_found, wanted_kind, 48);
GIRO_WIRE_AT(giro_not_found, reserved, 50);

GIRO_WIRE_AT(giro_halted, head, 0);
GIRO_WIRE_AT(giro_halted, epoch, 8);
GIRO_WIRE_AT(giro_halted, height, 16);
GIRO_WIRE_AT(giro_halted, state_root, 24);
GIRO_WIRE_AT(giro_halted, ledger_root, 56);

GIRO_WIRE_AT(giro_hello_header, head, 0);
GIRO_WIRE_AT(giro_hello_header, nonce, 8);
GIRO_WIRE_AT(giro_hello_header, epoch, 24);
GIRO_WIRE_AT(giro_hello_header, incarnation, 32);
GIRO_WIRE_AT(giro_hello_header, subject, 40);
GIRO_WIRE_AT(giro_hello_header, answerer, 42);
GIRO_WIRE_AT(giro_hello_header, answer, 44);
GIRO_WIRE_AT(giro_hello_header, parts, 45);
GIRO_WIRE_AT(giro_hello_header, reserved, 46);
GIRO_WIRE_AT(giro_hello_header, signature, 72);

GIRO_WIRE_AT(giro_epoch_end_header, head, 0);
GIRO_WIRE_AT(giro_epoch_end_header, epoch, 8);
GIRO_WIRE_AT(giro_epoch_end_header, last_height, 16);
GIRO_WIRE_AT(giro_epoch_end_header, next_first_round, 24);
GIRO_WIRE_AT(giro_epoch_end_header, state_root, 32);
GIRO_WIRE_AT(giro_epoch_end_header, ledger_root, 64);
GIRO_WIRE_AT(giro_epoch_end_header, next_keys_hash, 96);
GIRO_WIRE_AT(giro_epoch_end_header, next_replica_count, 128);
GIRO_WIRE_AT(giro_epoch_end_header, reserved, 130);
GIRO_WIRE_AT(giro_epoch_end_header, bitmap, 144);
GIRO_WIRE_AT(giro_epoch_end_header, scheme, 160);
GIRO_WIRE_AT(giro_epoch_end_header, signer_count, 161);
GIRO_WIRE_AT(giro_epoch_end_header, reserved2, 162);

GIRO_WIRE_AT(giro_checkpoint_body, head, 0);
GIRO_WIRE_AT(giro_checkpoint_body, epoch, 8);
GIRO_WIRE_AT(giro_checkpoint_body, height, 16);
GIRO_WIRE_AT(giro_checkpoint_body, block_id, 24);
GIRO_WIRE_AT(giro_checkpoint_body, state_root, 56);
GIRO_WIRE_AT(giro_checkpoint_body, ledger_root, 88);
GIRO_WIRE_AT(giro_checkpoint_vote, body, 0);
GIRO_WIRE_AT(giro_checkpoint_vote, voter, 152);
GIRO_WIRE_AT(giro_checkpoint_vote, reserved, 154);
GIRO_WIRE_AT(giro_checkpoint_header, body, 0);
GIRO_WIRE_AT(giro_checkpoint_header, bitmap, 152);
GIRO_WIRE_AT(giro_checkpoint_header, scheme, 168);
GIRO_WIRE_AT(giro_checkpoint_header, signer_count, 169);
GIRO_WIRE_AT(giro_checkpoint_header, reserved, 170);

GIRO_WIRE_AT(giro_manifest_header, head, 0);
GIRO_WIRE_AT(giro_manifest_header, chunk_count, 8);
GIRO_WIRE_AT(giro_manifest_header, checkpoint_bytes, 12);
GIRO_WIRE_AT(giro_manifest_header, certificate_bytes, 16);
GIRO_WIRE_AT(giro_manifest_header, qc_bytes, 20);
GIRO_WIRE_AT(giro_manifest_header, reserved, 24);
GIRO_WIRE_AT(giro_fetch_image, above_height, 8);
GIRO_WIRE_AT(giro_fetch_image, reserved, 16);
GIRO_WIRE_AT(giro_fetch_chunk, hash, 8);
GIRO_WIRE_AT(giro_fetch_chunk, reserved, 40);
GIRO_WIRE_AT(giro_chunk_header, hash, 8);
GIRO_WIRE_AT(giro_chunk_header, size_bytes, 40);
GIRO_WIRE_AT(giro_chunk_header, reserved, 44);
GIRO_WIRE_AT(giro_image_header, chain_id, 8);
GIRO_WIRE_AT(giro_image_header, height, 40);
GIRO_WIRE_AT(giro_image_header, chunk_count, 48);
GIRO_WIRE_AT(giro_image_header, uetr_chunks, 52);
GIRO_WIRE_AT(giro_image_header, sections_bytes, 56);
GIRO_WIRE_AT(giro_section_header, kind, 0);
GIRO_WIRE_AT(giro_section_header, reserved, 2);
GIRO_WIRE_AT(giro_section_header, size_bytes, 8);
GIRO_WIRE_AT(giro_image_file, head, 0);
GIRO_WIRE_AT(giro_image_file, checksum, 8);
GIRO_WIRE_AT(giro_image_file, chain_id, 24);
GIRO_WIRE_AT(giro_image_file, size_bytes, 56);
GIRO_WIRE_AT(giro_image_file, log_sequence, 64);
GIRO_WIRE_AT(giro_image_file, manifest_bytes, 72);
GIRO_WIRE_AT(giro_image_file, replica, 76);
GIRO_WIRE_AT(giro_image_file, state, 78);
GIRO_WIRE_AT(giro_image_file, reserved, 79);
GIRO_WIRE_AT(giro_image_file, height, 80);
GIRO_WIRE_AT(giro_image_file, generation, 88);

GIRO_WIRE_AT(giro_entry, uetr, 0);
GIRO_WIRE_AT(giro_entry, link, 16);
GIRO_WIRE_AT(giro_entry, balance_after, 32);
GIRO_WIRE_AT(giro_entry, amount_minor, 48);
GIRO_WIRE_AT(giro_entry, entry, 56);
GIRO_WIRE_AT(giro_entry, height, 64);
GIRO_WIRE_AT(giro_entry, booking_time_ns, 72);
GIRO_WIRE_AT(giro_entry, cycle, 80);
GIRO_WIRE_AT(giro_entry, leaf_index, 84);
GIRO_WIRE_AT(giro_entry, counterparty, 88);
GIRO_WIRE_AT(giro_entry, record, 90);
GIRO_WIRE_AT(giro_entry, value_date, 92);
GIRO_WIRE_AT(giro_entry, reason, 94);
GIRO_WIRE_AT(giro_entry, book, 96);
GIRO_WIRE_AT(giro_entry, direction, 97);
GIRO_WIRE_AT(giro_entry, service, 98);
GIRO_WIRE_AT(giro_entry, kind, 99);
GIRO_WIRE_AT(giro_entry, reserved, 100);

GIRO_WIRE_AT(giro_status_row, uetr, 0);
GIRO_WIRE_AT(giro_status_row, time_ns, 16);
GIRO_WIRE_AT(giro_status_row, height, 24);
GIRO_WIRE_AT(giro_status_row, sequence, 32);
GIRO_WIRE_AT(giro_status_row, cycle, 40);
GIRO_WIRE_AT(giro_status_row, leaf_index, 44);
GIRO_WIRE_AT(giro_status_row, channel, 48);
GIRO_WIRE_AT(giro_status_row, record, 50);
GIRO_WIRE_AT(giro_status_row, reason, 52);
GIRO_WIRE_AT(giro_status_row, status, 54);
GIRO_WIRE_AT(giro_status_row, reserved, 55);

GIRO_WIRE_AT(giro_window_record, head, 0);
GIRO_WIRE_AT(giro_window_record, window, 8);
GIRO_WIRE_AT(giro_window_record, member, 16);
GIRO_WIRE_AT(giro_window_record, currency, 18);
GIRO_WIRE_AT(giro_window_record, account, 20);
GIRO_WIRE_AT(giro_window_record, business_date, 22);
GIRO_WIRE_AT(giro_window_record, cycle_count, 24);
GIRO_WIRE_AT(giro_window_record, reserved, 26);
GIRO_WIRE_AT(giro_window_record, covered_windows, 28);
GIRO_WIRE_AT(giro_window_record, sealed_height, 32);
GIRO_WIRE_AT(giro_window_record, first_entry, 40);
GIRO_WIRE_AT(giro_window_record, entry_count, 48);
GIRO_WIRE_AT(giro_window_record, position_count, 56);
GIRO_WIRE_AT(giro_window_record, status_count, 64);
GIRO_WIRE_AT(giro_window_record, opening, 72);
GIRO_WIRE_AT(giro_window_record, debit_minor, 88);
GIRO_WIRE_AT(giro_window_record, credit_minor, 104);
GIRO_WIRE_AT(giro_window_record, closing, 120);
GIRO_WIRE_AT(giro_window_record, available, 136);
GIRO_WIRE_AT(giro_window_record, reserved_minor, 152);
GIRO_WIRE_AT(giro_window_record, held_minor, 168);
GIRO_WIRE_AT(giro_window_record, cap_minor, 184);
GIRO_WIRE_AT(giro_window_record, cap_used_minor, 200);
GIRO_WIRE_AT(giro_window_record, queued_minor, 216);
GIRO_WIRE_AT(giro_window_record, queued_count, 232);
GIRO_WIRE_AT(giro_window_record, debit_count, 240);
GIRO_WIRE_AT(giro_window_record, credit_count, 248);
GIRO_WIRE_AT(giro_window_record, sequence, 256);
GIRO_WIRE_AT(giro_window_record, reserved2, 264);
GIRO_WIRE_AT(giro_window_record, entries_hash, 272);
GIRO_WIRE_AT(giro_window_record, positions_hash, 304);
GIRO_WIRE_AT(giro_window_record, statuses_hash, 336);
GIRO_WIRE_AT(giro_window_record, previous, 368);
GIRO_WIRE_AT(giro_window_record, chain_id, 400);
GIRO_WIRE_AT(giro_window_record, netting_hash, 432);

GIRO_WIRE_AT(giro_window_cycle, cycle, 0);
GIRO_WIRE_AT(giro_window_cycle, state, 4);
GIRO_WIRE_AT(giro_window_cycle, reserved, 5);
GIRO_WIRE_AT(giro_window_cycle, first_entry, 8);
GIRO_WIRE_AT(giro_window_cycle, position_count, 16);
GIRO_WIRE_AT(giro_window_cycle, opening, 24);
GIRO_WIRE_AT(giro_window_cycle, debit_minor, 40);
GIRO_WIRE_AT(giro_window_cycle, credit_minor, 56);
GIRO_WIRE_AT(giro_window_cycle, closing, 72);
GIRO_WIRE_AT(giro_window_cycle, debit_count, 88);
GIRO_WIRE_AT(giro_window_cycle, credit_count, 96);
GIRO_WIRE_AT(giro_window_cycle, reserved2, 104);

GIRO_WIRE_AT(giro_netting_cell, counterparty, 0);
GIRO_WIRE_AT(giro_netting_cell, reserved, 2);
GIRO_WIRE_AT(giro_netting_cell, sent_count, 8);
GIRO_WIRE_AT(giro_netting_cell, received_count, 12);
GIRO_WIRE_AT(giro_netting_cell, sent_minor, 16);
GIRO_WIRE_AT(giro_netting_cell, received_minor, 32);

GIRO_WIRE_AT(giro_journal_header, head, 0);
GIRO_WIRE_AT(giro_journal_header, chain_id, 8);
GIRO_WIRE_AT(giro_journal_header, member, 40);
GIRO_WIRE_AT(giro_journal_header, business_date, 42);
GIRO_WIRE_AT(giro_journal_header, reserved, 44);

GIRO_WIRE_AT(giro_journal_block, magic, 0);
GIRO_WIRE_AT(giro_journal_block, size_bytes, 4);
GIRO_WIRE_AT(giro_journal_block, checksum, 8);
GIRO_WIRE_AT(giro_journal_block, record_bytes, 16);
GIRO_WIRE_AT(giro_journal_block, entry_count, 20);
GIRO_WIRE_AT(giro_journal_block, position_count, 24);
GIRO_WIRE_AT(giro_journal_block, status_count, 28);
GIRO_WIRE_AT(giro_journal_block, certificate_bytes, 32);
GIRO_WIRE_AT(giro_journal_block, leaf_index, 36);
GIRO_WIRE_AT(giro_journal_block, leaf_count, 40);
GIRO_WIRE_AT(giro_journal_block, path_count, 44);
GIRO_WIRE_AT(giro_journal_block, netting_count, 46);
GIRO_WIRE_AT(giro_journal_block, cycle_leaf_index, 48);
GIRO_WIRE_AT(giro_journal_block, cycle_path_count, 52);
GIRO_WIRE_AT(giro_journal_block, has_cycle, 54);
GIRO_WIRE_AT(giro_journal_block, cycle_height, 56);

GIRO_WIRE_AT(giro_log_segment_header, head, 0);
GIRO_WIRE_AT(giro_log_segment_header, chain_id, 8);
GIRO_WIRE_AT(giro_log_segment_header, generation, 40);
GIRO_WIRE_AT(giro_log_segment_header, first_sequence, 48);
GIRO_WIRE_AT(giro_log_segment_header, seed, 56);
GIRO_WIRE_AT(giro_log_segment_header, size_bytes, 64);
GIRO_WIRE_AT(giro_log_segment_header, replica, 72);
GIRO_WIRE_AT(giro_log_segment_header, reserved, 74);
GIRO_WIRE_AT(giro_log_segment_header, checksum, 80);

GIRO_WIRE_AT(giro_log_record_header, magic, 0);
GIRO_WIRE_AT(giro_log_record_header, kind, 4);
GIRO_WIRE_AT(giro_log_record_header, reserved, 6);
GIRO_WIRE_AT(giro_log_record_header, generation, 8);
GIRO_WIRE_AT(giro_log_record_header, sequence, 16);
GIRO_WIRE_AT(giro_log_record_header, body_bytes, 24);
GIRO_WIRE_AT(giro_log_record_header, reserved2, 28);
GIRO_WIRE_AT(giro_log_record_header, checksum, 32);
GIRO_WIRE_AT(giro_log_record_header, reserved3, 48);

GIRO_WIRE_AT(giro_safety_slot, head, 0);
GIRO_WIRE_AT(giro_safety_slot, chain_id, 8);
GIRO_WIRE_AT(giro_safety_slot, sequence, 40);
GIRO_WIRE_AT(giro_safety_slot, epoch, 48);
GIRO_WIRE_AT(giro_safety_slot, last_voted_round, 56);
GIRO_WIRE_AT(giro_safety_slot, lock_round, 64);
GIRO_WIRE_AT(giro_safety_slot, last_timeout_round, 72);
GIRO_WIRE_AT(giro_safety_slot, incarnation, 80);
GIRO_WIRE_AT(giro_safety_slot, log_watermark, 88);
GIRO_WIRE_AT(giro_safety_slot, last_vote, 96);
GIRO_WIRE_AT(giro_safety_slot, last_timeout, 264);
GIRO_WIRE_AT(giro_safety_slot, replica, 368);
GIRO_WIRE_AT(giro_safety_slot, reserved, 370);
GIRO_WIRE_AT(giro_safety_slot, checksum, 376);

GIRO_WIRE_AT(giro_outbox_done, sequence, 0);
GIRO_WIRE_AT(giro_outbox_done, channel, 8);
GIRO_WIRE_AT(giro_outbox_done, outcome, 10);
GIRO_WIRE_AT(giro_outbox_done, reserved, 11);

GIRO_WIRE_AT(giro_outbox_range, outbox, 0);
GIRO_WIRE_AT(giro_outbox_range, first, 8);
GIRO_WIRE_AT(giro_outbox_range, next, 16);
GIRO_WIRE_AT(giro_outbox_range, channel, 24);
GIRO_WIRE_AT(giro_outbox_range, reserved, 26);

GIRO_WIRE_AT(giro_leader_window, head, 0);
GIRO_WIRE_AT(giro_leader_window, height, 8);
GIRO_WIRE_AT(giro_leader_window, candidates, 16);
GIRO_WIRE_AT(giro_leader_window, active, 48);
GIRO_WIRE_AT(giro_leader_window, author_count, 64);
GIRO_WIRE_AT(giro_leader_window, authors, 66);
GIRO_WIRE_AT(giro_leader_window, reserved, 132);

GIRO_WIRE_AT(giro_crash_marker, head, 0);
GIRO_WIRE_AT(giro_crash_marker, height, 8);
GIRO_WIRE_AT(giro_crash_marker, frame, 16);
GIRO_WIRE_AT(giro_crash_marker, executing, 20);
GIRO_WIRE_AT(giro_crash_marker, crash_height, 24);
GIRO_WIRE_AT(giro_crash_marker, crash_frame, 32);
GIRO_WIRE_AT(giro_crash_marker, crash_count, 36);
GIRO_WIRE_AT(giro_crash_marker, replica, 40);
GIRO_WIRE_AT(giro_crash_marker, reserved, 42);

GIRO_WIRE_AT(giro_evidence_header, head, 0);
GIRO_WIRE_AT(giro_evidence_header, epoch, 8);
GIRO_WIRE_AT(giro_evidence_header, round, 16);
GIRO_WIRE_AT(giro_evidence_header, first_bytes, 24);
GIRO_WIRE_AT(giro_evidence_header, second_bytes, 28);
GIRO_WIRE_AT(giro_evidence_header, what, 32);
GIRO_WIRE_AT(giro_evidence_header, offender, 34);
GIRO_WIRE_AT(giro_evidence_header, witness, 36);
GIRO_WIRE_AT(giro_evidence_header, reserved, 38);

GIRO_WIRE_AT(giro_ledger_header, head, 0);
GIRO_WIRE_AT(giro_ledger_header, chain_id, 8);
GIRO_WIRE_AT(giro_ledger_header, replica, 40);
GIRO_WIRE_AT(giro_ledger_header, reserved, 42);

GIRO_WIRE_AT(giro_ledger_block, head, 0);
GIRO_WIRE_AT(giro_ledger_block, checksum, 8);
GIRO_WIRE_AT(giro_ledger_block, height, 16);
GIRO_WIRE_AT(giro_ledger_block, size_bytes, 24);
GIRO_WIRE_AT(giro_ledger_block, leaf_count, 32);
GIRO_WIRE_AT(giro_ledger_block, reserved, 36);

GIRO_WIRE_AT(giro_frame_index_header, head, 0);
GIRO_WIRE_AT(giro_frame_index_header, chain_id, 8);
GIRO_WIRE_AT(giro_frame_index_header, replica, 40);
GIRO_WIRE_AT(giro_frame_index_header, member, 42);
GIRO_WIRE_AT(giro_frame_index_header, channel, 44);
GIRO_WIRE_AT(giro_frame_index_header, reserved, 46);

GIRO_WIRE_AT(giro_frame_place, height, 0);
GIRO_WIRE_AT(giro_frame_place, leaf_index, 8);
GIRO_WIRE_AT(giro_frame_place, reserved, 12);
