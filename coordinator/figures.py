"""The names under which Prometheus reads what a coordinator counts, and what each means.

Names are `pilewise_coordinator_<noun>_<unit>` in base units; no label names a car or a person.
How the page is served is in `metrics.py`, what is counted in `usecases/counters.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PREFIX: Final = "pilewise_coordinator_"


class Figure(NamedTuple):
    """What a metric means, the counter or gauge that it shows, and its labels."""

    text: str
    shows: str = ""
    labels: tuple[str, ...] = ()


# Rising counts and values of now; those that show nothing are read from elsewhere by `metrics.py`.
FIGURES: Final = {
    "build_info": Figure("1; version of the software and district.", "", ("version", "district")),
    "model_info": Figure("1; a model that answers.", "", ("name", "version", "sha256")),
    "requests_total": Figure("Requests of cars that were answered, also with nothing.", "requests"),
    "recommendations_total": Figure("Answers that name a pile.", "recommendations"),
    "recommendations_degraded_total": Figure(
        "Answers by rules because a model did not answer.", "degraded_recommendations"
    ),
    "recommendations_unheld_total": Figure(
        "Answers without a hold because the store took none.", "unheld_recommendations"
    ),
    "answers_empty_total": Figure("Requests for which nothing was within reach.", "empty_answers"),
    "rankings_total": Figure("Lists of piles that were ranked.", "rankings"),
    "conflicts_resolved_total": Figure(
        "Cars sent elsewhere because the pile was promised.", "conflicts_resolved"
    ),
    "reroutes_total": Figure("Promises moved to another pile.", "reroutes"),
    "displacements_total": Figure("Cars moved for a higher level.", "displacements"),
    "displacement_loss_seconds_total": Figure(
        "Seconds that displaced cars lost.", "displacement_loss_s"
    ),
    "proposals_total": Figure("Moves that were offered.", "proposals"),
    "proposals_accepted_total": Figure("Offered moves that were taken.", "proposals_accepted"),
    "proposals_declined_total": Figure("Offered moves that were refused.", "proposals_declined"),
    "proposals_lapsed_total": Figure("Offered moves without an answer.", "proposals_lapsed"),
    "proposals_open": Figure("Offered moves that wait for an answer.", "open_proposals"),
    "offers_total": Figure("Offers to cars that had not asked.", "offers"),
    "offers_taken_total": Figure("Of those, taken.", "offers_taken"),
    "fences_behind": Figure(
        "1 while nothing is granted because the store is older than what agents know.",
        "fences_behind",
    ),
    "promises_open": Figure("Promises of now.", "open_promises"),
    "holds_firm_total": Figure("Holds that a pile confirmed.", "holds_firm"),
    "holds_soft_total": Figure("Holds that only the coordinator keeps.", "holds_soft"),
    "reservations_refused_total": Figure("Holds that a pile refused.", "reservations_refused"),
    "arrivals_total": Figure("Cars that came to charge where they were sent.", "arrivals"),
    "arrivals_disowned_total": Figure(
        "Cars that said that they are not what was plugged in.", "arrivals_disowned"
    ),
    "outcomes_total": Figure("Reports of how a charge went.", "outcomes"),
    "outcomes_as_promised_total": Figure("Of those, as promised.", "outcomes_as_promised"),
    "outcomes_otherwise_total": Figure("Of those, otherwise.", "outcomes_otherwise"),
    "replans_total": Figure("Joint plans of all cars under way.", "replans"),
    "replans_early_total": Figure("Joint plans begun early by an event.", "replans_early"),
    "replans_stale_total": Figure("Joint plans overtaken by events.", "replans_stale"),
    "replans_without_solver_total": Figure(
        "Rounds in which only local repair was done.", "replans_without_solver"
    ),
    "replan_moves_total": Figure("Moves that joint plans made.", "replan_moves"),
    "replan_placed_total": Figure(
        "Cars without a place that joint plans gave one.", "replan_placed"
    ),
    "cars_without_place": Figure(
        "Cars on their way whose place is lost, and none found yet.", "cars_without_place"
    ),
    "replan_degraded": Figure("1 while local repair stands for the solver.", "replan_degraded"),
    "records_stored_total": Figure("Records of agents made durable.", "records_stored"),
    "records_refused_total": Figure("Records of agents that were refused.", "records_refused"),
    "records_foreign_total": Figure("Of those, of piles of other agents.", "records_foreign"),
    "agents_refused_total": Figure("Streams of agents refused by who they are.", "agents_refused"),
    "agents_refused_revoked_total": Figure("Of those, shut out.", "agents_refused_revoked"),
    "ingest_groups_total": Figure("Commits that records shared.", "ingest_groups"),
    "disk_full": Figure("1 while the disk of the data directory is full.", "disk_full"),
    "batches_thinned_total": Figure("Batches given up on a full disk.", "batches_thinned"),
    "calls_unauthenticated_total": Figure(
        "Calls without a token that is good here.", "calls_unauthenticated"
    ),
    "calls_forbidden_total": Figure("Calls that were not the caller's to make.", "calls_forbidden"),
    "calls_throttled_total": Figure("Calls of who called too often.", "calls_throttled"),
    "bundles_refused_total": Figure("Model bundles that were refused.", "bundles_refused"),
    "models_expired": Figure("Models past their last day.", "models_expired"),
    "model_slow_runs": Figure("Runs of models over their time, since their start.",
                              "model_slow_runs"),
    "model_failed_runs": Figure("Runs of models that failed, since their start.",
                                "model_failed_runs"),
    "requests_under_way": Figure("Requests that are being answered.", "requests_under_way"),
    "request_wait_seconds": Figure("What a request that comes now would wait.", "request_wait_s"),
    "requests_shed_total": Figure("Requests told to come again, because of load.", "requests_shed"),
    "requests_shed_low_total": Figure("Of those, of the low level.", "requests_shed_low"),
    "requests_shed_medium_total": Figure("Of those, of the medium level.", "requests_shed_medium"),
    "requests_shed_high_total": Figure("Of those, of the high level.", "requests_shed_high"),
    "messages_unfit_total": Figure("Messages that are none, or beyond limits.", "messages_unfit"),
    "messages_too_large_total": Figure("Messages with too many bytes.", "messages_too_large"),
    "calls_late_total": Figure("Calls ended by their deadline.", "calls_late"),
    "calls_without_request_total": Figure(
        "Calls whose request never came.", "calls_without_request"
    ),
    "connections_cut_total": Figure(
        "Connections closed because their address had too many, or no request came.",
        "connections_cut",
    ),
    "calls_of_crowds_total": Figure(
        "Calls refused because their address has too many connections.", "calls_of_crowds"
    ),
    "crowded_peers": Figure(
        "Addresses with too many connections, as of a second ago.", "crowded_peers"
    ),
    "readers_cut_total": Figure("Streams cut because nobody read them.", "readers_cut"),
    "streams_open": Figure("Streams that are open.", "open_streams"),
    "descriptors_open": Figure("File descriptors in use, as of a second ago.", "open_descriptors"),
    "descriptors_short_total": Figure("Times that descriptors ran out.", "descriptors_short"),
    "loop_blocked_total": Figure("Times that the event loop stood still for 2 s.", "loop_blocked"),
    "loop_blocked_longest_seconds": Figure(
        "The longest that the loop stood still since the start.", "loop_blocked_longest_s"
    ),
    "loop_tasks": Figure("Tasks of the event loop.", "loop_tasks"),
    "loop_degraded": Figure("1 while health says so because of that.", "loop_degraded"),
    "evses": Figure("EVSEs by status.", "", ("status",)),
    "agents_connected": Figure("Agents with an open stream."),
    "agents_known": Figure("Agents that ever had a pile here."),
    "agents_revoked": Figure("Agents that are shut out."),
    "certificate_left_seconds": Figure(
        "Until our certificates end; below 0 one has.", "", ("name",)
    ),
    "agent_spool_records": Figure("Records that wait at connected agents."),
    "agent_clock_skew_seconds": Figure("Greatest difference of a connected agent's clock."),
    "status_age_seconds": Figure("Age of the oldest status of an EVSE that is believed."),
    "districts_up": Figure("1 where a city reaches its district, else 0.", "", ("name",)),
    "answers_partial_total": Figure(
        "Answers of a city without districts that did not answer in time.", "partial_answers"
    ),
    "wish_streams_broken_total": Figure(
        "Streams to districts that broke while a car without a promise was followed.",
        "wish_streams_broken",
    ),
    "loop_lag_seconds": Figure("What the event loop kept this page waiting."),
}  # fmt: skip

# Durations as histograms, by the same names.
TIMINGS: Final = {
    "answer_seconds": "From a request's arrival to its answer, hold included.",
    "ingest_commit_seconds": "From taking a group of records to its being durable.",
}

# Everything else that a use case counts and nobody named here is shown as it is called.
OTHER_TEXT: Final = "Counted, not described."
