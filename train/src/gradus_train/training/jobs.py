"""A part as a job for another process: bytes in, bytes out, no pickle of ours in them.

A job names its rows and its recipe; the table of features and labels travels beside it, once for all jobs of
a plan. What comes back are the bytes of a part's file, whose digest is checked on arrival.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import DataError, EnvironmentFailedError
from gradus_train.config import check_parameters
from gradus_train.training.fitting import Recipe, fit
from gradus_train.training.parts import encode_part
from gradus_train.training.prepare import Plan, Task, library_versions

__all__ = ["encode_job", "encode_table", "fit_job", "fit_task", "keep_table"]


def encode_table(plan: Plan) -> bytes:
    """Return the features and labels of a plan, which all of its jobs read."""
    buffer = io.BytesIO()
    np.savez(buffer, features=plan.dataset.features, labels=plan.dataset.labels)
    return buffer.getvalue()


def encode_job(plan: Plan, task: Task) -> bytes:
    """Return a task as a job."""
    facts = {
        "recipe": codec.encode(task.recipe),
        "classes": len(plan.dataset.classes),
        "final": task.final,
        "libraries": library_versions(),
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        facts=np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
        columns=task.columns,
        train=task.train,
        measure=task.measure,
    )
    return buffer.getvalue()


def keep_table(table: bytes) -> bytes:
    """Return a table. As a task of a scheduler it can be made again where the worker that held it is gone."""
    return table


def fit_job(job: bytes, table: bytes) -> tuple[bytes, float]:
    """Fit a job with one thread.

    Args:
        job: As `encode_job` returns it.
        table: As `encode_table` returns it.

    Returns:
        The bytes of the part's file, and the seconds that it took.

    Raises:
        EnvironmentFailedError: The libraries here are others than those that planned the job.
        DataError: The job is none.
    """
    begun = time.perf_counter()
    with np.load(io.BytesIO(job), allow_pickle=False) as arrays:
        facts = strict_json.parse(arrays["facts"].tobytes(), place="job", max_bytes=1 << 20, error=DataError)
        columns, train, measure = arrays["columns"], arrays["train"], arrays["measure"]
    here = library_versions()
    if facts["libraries"] != here:
        raise EnvironmentFailedError(
            "a worker must have the libraries of the process that plans: models depend on them",
            place="worker",
            value=here,
            hint=f"Install there what is installed here: {facts['libraries']}.",
        )
    parameters = check_parameters(facts["recipe"]["parameters"], "job: parameters")
    bare = {**facts["recipe"], "parameters": {}}
    recipe = replace(codec.decode(Recipe, bare, place="job: recipe", error=DataError), parameters=parameters)
    with np.load(io.BytesIO(table), allow_pickle=False) as arrays, threadpool_limits(1):
        features, labels = arrays["features"], arrays["labels"]
        part = fit(
            recipe,
            np.ascontiguousarray(features[np.ix_(train, columns)]),
            labels[train],
            np.ascontiguousarray(features[np.ix_(measure, columns)]),
            int(facts["classes"]),
            keep_model=bool(facts["final"]),
        )
    return encode_part(part), time.perf_counter() - begun


def fit_task(plan: Plan, task: Task) -> tuple[bytes, float]:
    """Fit a task here, with the thread limit that the caller has set; returns what `fit_job` does."""
    begun = time.perf_counter()
    features, labels = plan.dataset.features, plan.dataset.labels
    part = fit(
        task.recipe,
        np.ascontiguousarray(features[np.ix_(task.train, task.columns)]),
        labels[task.train],
        np.ascontiguousarray(features[np.ix_(task.measure, task.columns)]),
        len(plan.dataset.classes),
        keep_model=task.final,
    )
    return encode_part(part), time.perf_counter() - begun
