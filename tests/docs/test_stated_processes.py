"""What documents say of processes, threads, signals, forks and exit codes, each with the test that shows it.

A sentence that speaks of one of them must hold a phrase of `STATED`, or of `OTHERS` with the reason why no
test of gradus is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gradus_runtime.cli.main import _parser
from gradus_runtime.errors import ExitCode

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    {
        *PROJECT.glob("docs/*.md"),
        *PROJECT.glob("*/README.md"),
        PROJECT / "README.md",
        PROJECT / "CONTRIBUTING.md",
    }
)
WORDS = re.compile(
    r"\b[Pp]rocess(es)?\b|\b[Tt]hreads?\b|\b[Ss]ignal handler|\bSIG[A-Z]+|Ctrl-C"
    r"|\b[Ee]xit(s| codes?)\b|\b[Ff]ork|\bkilled\b"
)

STATED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "CONTRIBUTING.md": (
        (
            "the exit codes 0 done, 1 a check failed, 2 usage error, 3 system error",
            "test_the_exit_codes_are_these",
        ),
    ),
    "docs/architecture.md": (
        (
            "locks that alarms and forks cannot leave held",
            "test_a_child_gets_a_lock_that_another_thread_held",
        ),
        (
            "work in a bounded process of its own",
            "test_a_task_that_fills_memory_is_an_error_with_the_way_out",
        ),
    ),
    "docs/encodings.md": (
        ("threads of Python may share one session", "test_single_rows_from_many_threads_are_right"),
        (
            "batches on several threads",
            "test_the_compact_encoding_runs_unoptimised_on_one_thread_and_others_optimised",
        ),
        (
            "read by an allow-list in a process of its own",
            "test_a_crash_is_an_error_that_names_the_file_and_the_signal",
        ),
        ("measures both files in fresh processes", "test_it_prints_each_figure_of_a_fresh_process"),
        (
            "Both run in processes of their own with bounded memory and time",
            "test_a_task_that_never_ends_is_ended",
        ),
    ),
    "docs/exactness.md": (
        ("with any number of threads", "test_optimisation_threads_and_reuse_of_memory_change_no_bit"),
        (
            "in a process that takes them for 0",
            "test_a_process_that_takes_subnormal_numbers_for_0_gives_the_expected_bits",
        ),
    ),
    "docs/gpu.md": (
        (
            "Open the predictor in the process that uses it",
            "test_a_forked_child_does_not_use_the_sessions_of_a_gpu",
        ),
        ("CUDA does not outlive a fork", "test_a_forked_child_does_not_use_the_sessions_of_a_gpu"),
    ),
    "docs/journal.md": (
        (
            "Each process writes a file of its own",
            "test_processes_have_files_of_their_own_and_the_next_one_continues_a_free_file",
        ),
        ("Processes may share a stream", "test_lines_of_processes_that_share_a_pipe_stay_whole"),
        (
            "cut off when the next process opens the folder",
            "test_a_torn_last_line_is_cut_off_at_opening_and_one_of_a_running_process_is_not",
        ),
        ("a process opened or closed", "test_events_tell_the_life_of_a_process"),
        ("unique among all processes", "test_a_forked_process_writes_to_a_file_of_its_own"),
        ("is rewritten, by rename", "test_the_command_looks_at_the_running_process"),
        ("knows nothing of a running one", "test_the_command_looks_at_the_running_process"),
    ),
    "docs/kernels.md": (
        (
            "Several threads take blocks of 256 rows in turn",
            "test_threads_take_blocks_of_the_kernel_in_turn",
        ),
        (
            "other threads meanwhile walk row by row",
            "test_one_session_serves_threads_while_the_first_of_them_lays_the_trees_out",
        ),
        (
            "that four threads ask at once",
            "test_a_thousand_sessions_under_threads_give_all_memory_back_and_race_for_nothing",
        ),
        (
            "under four threads, whose answers have the bits of the body",
            "test_a_thousand_reloads_under_four_threads_mix_nothing_and_leave_no_memory",
        ),
    ),
    "docs/live.md": (
        (
            "The journals of several processes are one record",
            "test_96_processes_of_one_row_report_what_one_process_of_96_rows_does",
        ),
        ("96 processes of one row", "test_96_processes_of_one_row_report_what_one_process_of_96_rows_does"),
    ),
    "docs/migrating.md": (
        ("All of it happens in a process of its own", "test_limits_grow_with_the_files_and_can_be_given"),
    ),
    "docs/policy.md": (
        ("Without one a process that restarts", "test_a_journal_brings_the_window_back_and_replays_it"),
        ("Each process has a window of its own", "test_a_journal_brings_the_window_back_and_replays_it"),
    ),
    "docs/rows.md": (
        (
            "exit code 2, before any row is answered",
            "test_what_cannot_be_read_ends_with_2_and_one_line_before_any_row_is_answered",
        ),
        (
            "a JSON object over many lines",
            "test_what_cannot_be_read_ends_with_2_and_one_line_before_any_row_is_answered",
        ),
        (
            "exit code 2, after the rows before the tear",
            "test_a_torn_array_ends_with_2_after_the_rows_before",
        ),
        (
            "makes the exit code 1 at the end",
            "test_a_line_that_cannot_be_read_fails_and_the_others_are_checked",
        ),
    ),
    "docs/runtime.md": (
        (
            "go on after one that they cannot read; what was wrong comes as the exit code",
            "test_a_stream_answers_every_line_at_once_and_goes_on_after_bad_ones",
        ),
        (
            "exit code | of `predict` and `decide`",
            "test_semicolons_and_decimal_commas_end_with_1_and_a_hint_at_the_comma",
        ),
        (
            "8,192 with several threads",
            "test_rows_are_converted_2048_at_a_time_and_8192_for_several_threads",
        ),
        ("One predictor serves any number of threads", "test_single_rows_from_many_threads_are_right"),
        ("comes out of every call as it is", "test_alarms_in_decide_come_out_and_cost_no_level"),
        (
            "A signal handler may itself call",
            "test_a_signal_handler_may_decide_while_levels_load_and_drift_is_counted",
        ),
        ("A fork waits for sessions", "test_threads_of_a_compact_batch_are_there_in_a_child"),
        ("when a process starts", "test_the_version_pinned_before_serves_and_health_says_so"),
        (
            "`threads` is 1 by default",
            "test_the_compact_encoding_runs_unoptimised_on_one_thread_and_others_optimised",
        ),
        ("blocks are shared between threads", "test_threads_share_the_blocks_of_a_compact_batch"),
        (
            "would change numpy for the whole process",
            "test_commands_import_numpy_with_one_thread_of_openblas_and_the_library_does_not",
        ),
        (
            "set it for themselves",
            "test_commands_import_numpy_with_one_thread_of_openblas_and_the_library_does_not",
        ),
    ),
    "docs/scale.md": (
        ("is fitted with one thread", "test_another_process_trains_the_same_bytes"),
        ("threads of one process", "test_an_interrupted_run_keeps_its_parts_and_resumes_to_the_same_bytes"),
        ("processes of one machine", "test_two_processes_walk_to_the_bytes_of_one"),
        (
            "If the client is killed",
            "test_a_truncated_file_a_kill_and_a_resume_give_the_earlier_weeks_the_same_bytes",
        ),
        ("any number of processes search at once", "test_two_processes_share_one_study_on_one_postgresql"),
        ("one process asks the sampler", "test_a_search_finds_the_same_on_two_workers_of_a_cluster"),
        ("With one process and one storage state", "test_a_search_finds_the_same_on_two_processes"),
    ),
    "docs/security.md": (
        (
            "reads old pickles in a process of its own",
            "test_an_import_that_crashes_a_library_is_an_error_and_publishes_nothing",
        ),
        (
            "The process is not a sandbox",
            "test_an_import_that_crashes_a_library_is_an_error_and_publishes_nothing",
        ),
        (
            "no file, no thread and no socket",
            "test_serving_writes_no_file_starts_no_thread_and_opens_no_socket",
        ),
    ),
    "docs/store.md": (
        ("exit code 1 if anything does", "test_verify_and_validate_end_with_1"),
        (
            "A version that fails is not pinned (exit code 1)",
            "test_a_version_that_cannot_serve_is_not_pinned",
        ),
        ("the kernel releases when a process dies", "test_an_abandoned_lock_is_free"),
        (
            "A process that dies leaves at most",
            "test_killed_at_a_step_the_store_is_old_or_new_and_the_next_command_cleans_up",
        ),
        ("the command ends with exit code 3", "test_a_disk_that_fails_at_any_call_loses_nothing"),
        ("makes the exit code 1", "test_a_damaged_version_is_left_out_and_no_older_backup_is_removed"),
        (
            "killed (SIGKILL) at every named step",
            "test_killed_at_a_step_the_store_is_old_or_new_and_the_next_command_cleans_up",
        ),
        ("killed at random moments", "test_killed_at_1000_random_moments_nothing_is_torn"),
        ("eight processes publish", "test_eight_writers_take_turns_while_their_lock_gets_second_names"),
    ),
    "docs/training.md": (
        (
            "Exit codes: 0 done, 1 an integrity gate failed",
            "test_a_failing_gate_ends_with_1_and_its_line_and_no_gate_looks_anyway",
        ),
        ("Seed, threads and objective are not", "test_a_broken_member_is_named_with_its_place"),
        ("one thread", "test_another_process_trains_the_same_bytes"),
        (
            "Ctrl-C finishes the parts in work",
            "test_an_interrupted_run_keeps_its_parts_and_resumes_to_the_same_bytes",
        ),
        ("after SIGKILL", "test_a_killed_process_leaves_parts_that_resume_to_the_same_bytes"),
        ("Two processes cannot train into one folder", "test_two_processes_do_not_train_into_one_folder"),
        ("which processes of one machine may share", "test_workers_share_a_study_and_draw_differently"),
        ("Give each process its own `--worker` number", "test_workers_share_a_study_and_draw_differently"),
        ("With one process a search is repeatable", "test_workers_share_a_study_and_draw_differently"),
        ("proves two processes on one PostgreSQL", "test_two_processes_share_one_study_on_one_postgresql"),
        ("and never an exit code", "test_a_value_gate_fails_no_run"),
    ),
    "docs/walk.md": (
        (
            "A walk that was killed goes on",
            "test_a_truncated_file_a_kill_and_a_resume_give_the_earlier_weeks_the_same_bytes",
        ),
        ("The figures are those of one process", "test_two_processes_walk_to_the_bytes_of_one"),
    ),
}
"""By document: a phrase, and the test that shows what its sentence says."""

OTHERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "docs/encodings.md": (("in a process that has", "a measurement"),),
    "docs/benchmarks.md": (("", "how the benchmarks measure; `make bench-quick` runs them on small models"),),
    "docs/exactness.md": (
        ("4 threads, `ORT_PARALLEL`", "a line of `make matrix`"),
        ("1 and 4 threads", "a line of `make vectors`"),
        ("1 to 8 threads", "a line of `make bits`"),
        ("medians of pairs in one process", "a measurement that no command repeats, as it says"),
    ),
    "docs/index.md": (("over processes and machines", "names the page"),),
    "docs/journal.md": (("The health of a running process", "a heading"),),
    "docs/runtime.md": (
        ("Exceptions that other threads inject", "what is not promised"),
        ("from four threads", "says what `make soak-runtime` does"),
    ),
    "docs/scale.md": (
        ("one thread of a small shared cloud machine", "a measurement, beside its command"),
        ("in the largest process", "a measurement, beside its command"),
    ),
    "docs/security.md": (
        ("when it is imported it starts a thread", "what onnxruntime does"),
        ("#27379", "issues of onnxruntime"),
        ("the process in polars", "a measurement, beside its command"),
    ),
    "docs/store.md": (("workers killed at work", "a measurement of `make torture`"),),
    "docs/training.md": (
        ("by a seeded random process", "a process of probability"),
        ("threads of OpenMP and BLAS", "what the libraries do"),
    ),
    "docs/walk.md": (
        ("and one thread:", "says how the figures were made"),
        ("three processes held", "a measurement, beside its command"),
    ),
    "README.md": (("process", "the table of benchmarks.md"),),
}
"""By document: a phrase, and why its sentence needs no test of gradus."""


def sentences(text: str) -> Iterator[str]:
    """The sentences of a document, cells of tables by line, without blocks of code."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", "\n\n", text, flags=re.MULTILINE | re.DOTALL)
    for part in re.split(r"\n\s*\n|\n(?=[|*#]|\d+\. )", text):
        yield from re.split(r"(?<=[.:;])\s+(?=[A-Z`*(]|if )", " ".join(part.split()))


def unlisted(name: str, text: str) -> list[str]:
    """Return the sentences of a document about processes that no list has."""
    phrases = [phrase for lists in (STATED, OTHERS) for phrase, _ in lists.get(name, ())]
    return [s for s in sentences(text) if WORDS.search(s) and not any(p in s for p in phrases)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_every_statement_about_processes_is_listed(document: Path) -> None:
    assert unlisted(document.relative_to(PROJECT).as_posix(), document.read_text("utf-8")) == []


def test_a_statement_that_no_list_has_is_seen() -> None:
    text = "It is fast.\n\nThe child forks, and\nexit code 7 says so. One thread serves.\n"
    assert unlisted("docs/other.md", text) == [
        "The child forks, and exit code 7 says so.",
        "One thread serves.",
    ]


def test_every_listed_statement_is_made_and_every_test_that_it_names_is_there() -> None:
    tests = {
        name
        for path in (PROJECT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    for lists in (STATED, OTHERS):
        for document, entries in lists.items():
            text = " ".join((PROJECT / document).read_text("utf-8").split())
            assert [phrase for phrase, _ in entries if phrase not in text] == []
    assert {test for entries in STATED.values() for _, test in entries} - tests == set()


def test_the_exit_codes_are_these() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "CHECK_FAILED": 1,
        "WRONG_USE": 2,
        "ENVIRONMENT": 3,
    }
    words = "0 done, 1 a check failed, 2 usage error, 3 system error."
    assert f"Exit codes: {words}\n" in str(_parser({}).epilog)
    assert words in " ".join((PROJECT / "CONTRIBUTING.md").read_text("utf-8").split())
