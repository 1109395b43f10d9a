"""Runs tests on mutants, each in a fork of this process, which has imported PyTorch, the project and its tests."""

import contextlib
import gc
import importlib
import inspect
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import CodeType

import pytest

from benchmarks.mutants_make import Mutant

Durations = dict[str, float]  # the processor's seconds of each test that passes without a mutant
UNUSED = ("cacheprovider", "faulthandler", "unraisableexception", "threadexception")  # the last two collect garbage
OPTIONS = ("-q", "-x", *(option for plugin in UNUSED for option in ("-p", f"no:{plugin}")))
LATE = ("torch.distributed.tensor", "torch._dynamo", "pydensecrf.densecrf", "scipy.optimize")  # what tests import late
OURS = ("refvid", "tests")


class _Watch:
    """A plugin that runs the known tests only, the quickest first, and notes what each takes and which one fails."""

    def __init__(self, known: Durations | None = None) -> None:
        self.known, self.took, self.failed = known, Durations(), list[str]()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = self.known
        if known is not None:
            items[:] = sorted((item for item in items if item.nodeid in known), key=lambda item: known[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        started = time.process_time()  # other programs may keep the cores busy
        try:
            return (yield)
        finally:
            self.took[item.nodeid] = time.process_time() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} (import)")


def _silently(work: Callable[[], None]) -> None:
    """Do something with what it prints thrown away."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        work()


def _in_a_fork(work: Callable[[Path], None], patience: float) -> str | None:
    """Return what a function, called in a fork, wrote into the file that it is given; None if it took too long."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        child = os.fork()
        if not child:
            os.setsid()  # with what it starts it can be ended
            with contextlib.suppress(BaseException):
                _silently(lambda: work(answer))
            os._exit(0)
        ends = time.monotonic() + patience
        while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < ends:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not ended:
            os.waitpid(child, 0)
            return None
        return answer.read_text() if answer.exists() else "it crashed"


def warm_up(targets: Sequence[str]) -> None:
    """Import everything that the tests in some files and folders of the working directory import."""
    sys.path.insert(0, os.getcwd())
    os.environ["PYTHONPATH"] = os.getcwd()  # for the programs that tests start
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        if pytest.main([*OPTIONS, "--collect-only", *targets]):
            raise SystemExit(f"the tests {', '.join(targets)} cannot be collected")
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # forks leave the memory as it is


def measure(targets: Sequence[str]) -> Durations:
    """Return the processor's seconds of each test that passes without a mutant.

    Raises:
        SystemExit: The tests did not run to their end, so that what is left would kill nothing.
    """

    def work(answer: Path) -> None:
        watch = _Watch()
        status = pytest.main([*OPTIONS, "--maxfail=1000", *targets], plugins=[watch])
        if status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            good = {name: took for name, took in watch.took.items() if name not in watch.failed}
            answer.write_text("\n".join(["whole", *(f"{took}\t{name}" for name, took in good.items())]))

    whole, *lines = (_in_a_fork(work, 1200) or "").splitlines() or [""]
    if whole != "whole" or not lines:
        raise SystemExit(f"the tests {', '.join(targets)} did not run to their end without a mutant")
    return {name: float(took) for took, name in (line.split("\t") for line in lines)}


def passes(mutant: Mutant, targets: Sequence[str], known: Durations, patience: float) -> str:
    """Return the test that fails on a mutant, which lies in the working directory, or how else it ends; "" if none."""

    def work(answer: Path) -> None:
        _import_again(mutant)
        watch = _Watch(known)
        status = pytest.main([*OPTIONS, *targets], plugins=[watch])
        answer.write_text(watch.failed[0] if watch.failed else "" if not status else f"pytest ended with {status}")

    by = _in_a_fork(work, patience)
    return f"it took more than {patience:.0f} s" if by is None else by


def _import_again(mutant: Mutant) -> None:
    """Make the mutant what is imported: one function's code where it changes no more, else all of the project."""
    try:
        _exchange_code(mutant)
    except (AttributeError, KeyError, LookupError, ValueError):
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
        importlib.invalidate_caches()


def _exchange_code(mutant: Mutant) -> None:
    """Give the function that a mutant changes its new code.

    Raises:
        LookupError: It lies in no function, or there are several of its name.
        AttributeError: The function is hidden by a decorator.
        KeyError: The same.
        ValueError: The code is of another shape.
    """
    code = compile(Path(mutant.path).read_bytes(), mutant.path, "exec")
    if not (found_codes := [inner for inner in _codes(code) if inner.co_qualname == mutant.scope]):
        raise LookupError(f"{mutant.path} has no function {mutant.scope!r}")
    (new,) = found_codes
    place = vars(sys.modules[mutant.path.removesuffix(".py").replace("/", ".")])
    *classes, name = mutant.scope.split(".")
    for owner in classes:
        place = vars(place[owner])
    found = place[name]
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    inspect.unwrap(found).__code__ = new


def _codes(code: CodeType) -> list[CodeType]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return inner + [deeper for one in inner for deeper in _codes(one)]
