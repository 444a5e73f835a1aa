"""A sweep's jobs: composed and checked before the first is stored, found again when the sweep goes on, and run."""

import contextlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.instantiate import build
from leyden.bench.config.validate import absent_places, check, check_early
from leyden.bench.run.record import Record, RecordError, make_folder
from leyden.bench.sweep.executor import Executor
from leyden.bench.sweep.job import JOB_FILE
from leyden.bench.sweep.local import Pool
from leyden.core.files import console_in
from leyden.core.start.loading import load_torch
from leyden.report.runs import Run

DATABASE = "search.db"
"""Where a search by Optuna is kept; in the sweep's folder."""
PRUNING = "leyden.core.sweep.pruning.Pruning"
"""The callback by which a trial's job reports to it."""
ASIDE = ("sweep", "report", "paths")
"""Parts of a config that do not change what a run learns."""


def plain(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """A part of Hydra's config as a dict."""
    content: Any = OmegaConf.to_container(config, resolve=resolve)
    return content


class Jobs:
    """The jobs of a sweep, composed; checked only when that is asked for, because it imports what they are made of.

    Args:
        master: Hydra's config of the sweep itself, of which each job has the ``hydra...`` overrides.
        overrides: of each job.
    """

    def __init__(self, master: DictConfig, overrides: Sequence[Sequence[str]]) -> None:
        self._hydra: dict[str, Any] = plain(master.hydra, resolve=False)
        self.folder = Path(master.hydra.sweep.dir)
        self._overrides = overrides
        self._mistakes: dict[str, list[Sequence[str]]] = defaultdict(list)
        self.composed: list[Composed] = []
        self.monitors: set[tuple[str, str]] = set()
        """By which metric techniques choose checkpoints, and "max" or "min" of it; as far as jobs were built."""
        found_by = [text for text in self._hydra["overrides"]["hydra"] if text.startswith("hydra.searchpath")]
        for own in overrides:
            try:
                composed = compose([*self._hydra["overrides"]["hydra"], *own])
                self.composed.append(replace(composed, overrides=[*found_by, *own]))
            except ConfigError as error:
                self._note(error.mistakes, own)

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The config of each job."""
        return [composed.config for composed in self.composed]

    def check(self, executor: Executor | None = None) -> None:
        """Checks all jobs, and that the lab's report will find in them what it asks for.

        Raises:
            ConfigError: with the mistakes of all jobs, each once, with the job that makes it.
            ValueError: the report's own complaint.
        """
        for mistake in executor.expect(self.configs) if executor else []:
            self._mistakes[mistake] += self._overrides
        for composed in self.composed:
            absent = absent_places(composed) if executor and executor.here else []
            self._note([*absent, *check_early(composed)], composed.overrides)
        self._refuse()  # what needs no torch to be known first
        load_torch()
        for composed in self.composed:
            self._note(check(composed), composed.overrides)
        self._refuse()
        first = self.composed[0]
        if first.config["report"]:
            build(first.config["report"], first.allow)([Run(config=first.config, metrics={}, folder=Path())])
        if executor and executor.here:
            self._assemble()

    def _assemble(self) -> None:
        """Builds what jobs are made of, so that what only data or model can refuse is refused before one trains.

        Of jobs that differ in nothing but the seed one is built, and none that is stored; equal data are loaded once.
        """
        from leyden.bench.run.run import assemble  # here, because it brings torch

        stored = {_fingerprint(record.config) for record in records_in(self.folder)}
        alike, loaded = defaultdict(list), []
        for job in self.composed:
            alike[tuple(text for text in job.overrides if not text.startswith("seed="))].append(job)
        for job, *others in alike.values():
            if _fingerprint(job.config) in stored:
                continue
            try:
                with console_in(Path(os.devnull)):  # the job itself will say it again
                    data, model, _ = assemble(job.config, self.folder, job.allow)
                    self.monitors.add((str(model.monitor), str(model.mode)))
                    if job.config["data"] not in loaded:
                        loaded.append(job.config["data"])
                        for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader):
                            loader()
            except Exception as error:  # whatever the classes raise is the mistake to report
                for same in (job, *others):
                    self._note([str(error) or type(error).__name__], same.overrides)
        self._refuse()

    def place(self, job: Composed, number: int) -> Path:
        """Where ``hydra.sweep.subdir`` wants a job, if it is the sweep's job of that number."""
        naming = self._hydra["job"]["config"]["override_dirname"]
        left_out = (*naming["exclude_keys"], "hydra.searchpath")
        kept = sorted(text for text in job.overrides if text.partition("=")[0] not in left_out)
        dirname = naming["item_sep"].join(kept).replace("=", naming["kv_sep"])
        known = {"job": {"num": number, "id": number, "override_dirname": dirname, "name": self._hydra["job"]["name"]}}
        known |= {"runtime": {"choices": job.choices}}
        # As a path and as Hydra's own resolver: ${hydra.job.num}, ${hydra:job.num}.
        subdir = self._hydra["sweep"]["subdir"].replace("${hydra:", "${hydra.")
        config = OmegaConf.create({**job.config, "hydra": known, "subdir": subdir})
        return self.folder / str(config.subdir)

    def _refuse(self) -> None:
        if self._mistakes:
            raise ConfigError(map(self._with_jobs, self._mistakes))

    def _note(self, mistakes: Sequence[str], overrides: Sequence[str]) -> None:
        for mistake in mistakes:
            self._mistakes[mistake].append(overrides)

    def _with_jobs(self, mistake: str) -> str:
        first, *others = self._mistakes[mistake]
        if len(others) + 1 == len(self._overrides):
            return mistake
        common = set.intersection(*map(set, self._overrides))
        own = " ".join(word for word in first if word not in common and not word.startswith("hydra."))
        return f"{mistake}  [{own}{f' and {len(others)} more' if others else ''}]"


def store(jobs: Jobs, first: int = 0) -> list[Record]:
    """A record for each job: the one in the sweep's folder that has the same config, or a new one, ``first`` or higher.

    Raises:
        ConfigError: two jobs would lie in the same folder.
    """
    stored = defaultdict(list)
    for record in records_in(jobs.folder):
        stored[_fingerprint(record.config)].append(record.folder)
    taken = {folder for folders in stored.values() for folder in folders}
    records: list[Record] = []
    number = first
    for job in jobs.composed:
        if same := stored[_fingerprint(job.config)]:
            records.append(Record(same.pop(0), job.allow))
            continue
        while (place := jobs.place(job, number)) in taken:
            number += 1
            if jobs.place(job, number) == place:
                raise ConfigError([f"hydra.sweep.subdir: two jobs would lie in {place}; add ${{hydra.job.num}}"])
        taken.add(place)
        records.append(Record.create(job, place))
        number += 1
    return records


def run_stored(
    records: Sequence[Record], settings: dict[str, Any], executor: Executor | None = None, among: int = 0
) -> None:
    """Runs those that are not done: from the last checkpoint, or from the start where the run itself had failed.

    Args:
        records: of the sweep.
        settings: the part ``sweep`` of the config.
        executor: what starts the jobs; by default processes on this machine.
        among: how many jobs a machine is divided among at least, where these are a part of the sweep.

    Raises:
        ValueError: ``sweep.jobs`` makes no sense.
        RecordError: one is running already.
        StoppedError: a job failed and ``fail_fast`` is set.
    """
    open_jobs = [record for record in records if record.status["status"] != "done"]
    if not open_jobs:
        return
    executor = executor or Pool()
    recovered = executor.recover(open_jobs)
    others = [record for record in open_jobs if record not in recovered]
    if any((record.folder / JOB_FILE).is_file() for record in others):
        from leyden.bench.sweep.slurm import refuse_on_cluster  # here, because it brings submitit

        refuse_on_cluster(others)
    for record in others:
        record.refuse_if_running()
    how = executor.prepare(open_jobs + open_jobs[:1] * (among - len(open_jobs)), settings["jobs"])
    begun = Counter("running" if record in recovered else _take_up(record) for record in open_jobs)
    done = len(records) - len(open_jobs)
    if done or set(begun) != {"new"}:
        print(f"going on: {', '.join(f'{count} {how}' for how, count in Counter(done=done, **begun).items())}")
    print(f"{len(open_jobs)} jobs, {how}", flush=True)
    executor.run(open_jobs, bool(settings["fail_fast"]))


def _take_up(record: Record) -> str:
    """Makes a job that is not done ready to run, and says what it is: new, interrupted, killed or failed.

    A process that was killed, or ended in another way that the run did not see, goes on from its last checkpoint like
    an interrupted one; where the run itself raised, it would do so again from there.
    """
    status = record.status
    if status["status"] == "failed" and "exit" not in status:
        record.start_again()
        return "failed"
    record.set_status("pending")
    return {"pending": "new", "failed": "killed"}.get(status["status"], "interrupted")


def records_in(folder: Path, allow: Collection[str] = ()) -> list[Record]:
    """Those of a sweep, job 2 before job 10; ``allow`` as for ``Record``."""

    def order(job: Path) -> tuple[list[int], Path]:
        return [int(digits) for digits in re.findall(r"\d+", str(job.relative_to(folder)))], job

    return [Record(job, allow) for job in sorted((file.parent for file in folder.rglob("config.yaml")), key=order)]


def trusted_in(folder: Path) -> frozenset[str]:
    """What the jobs of a sweep may write to outside their folders: the search in this very folder, by ``PRUNING``."""
    callbacks = [record.config["callbacks"] or {} for record in records_in(folder)]
    files = {Path(own["pruning"].get("storage", "")).resolve() for own in callbacks if "pruning" in own}
    return frozenset({PRUNING} if files == {(folder / DATABASE).resolve()} else ())


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other sweeps out of a folder for as long as this process lives.

    Raises:
        RecordError: another one is at work there, or nothing can be written.
    """
    make_folder(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        message = f"another sweep is at work in {folder}; wait, stop it, or choose another sweep.name"
        raise RecordError(message) from error


def _fingerprint(config: dict[str, Any]) -> str:
    """What of a config decides on what a run learns, as text that is equal where that is."""
    lab = {"lab": config["lab"]["name"]}
    return json.dumps({key: value for key, value in config.items() if key not in ASIDE} | lab, sort_keys=True)
