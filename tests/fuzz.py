"""The project's own fuzzer: hostile inputs by name, and mutants of valid files.

    python tests/fuzz.py --seconds 120             what CI runs
    python tests/fuzz.py --seconds 3600 --seed 7   for an hour, other mutants
    python tests/fuzz.py --kinds tiff,npy --mutants 1000 --no-cases
    python tests/fuzz.py --again text FILE         one input once more, in this process
    python tests/fuzz.py --case "text: words"      the same of a named one

Inputs are read in processes apart, many in one, with 1 GB above what the process takes
at its start and 20 s each. An input must be read, or refused with one sentence: an
`InputError` of one line. All else is a fault: an exception, no end, a crash, a named
input that was taken in silence. The exit code is 1 then, and the inputs are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostile import Case

LONGEST_S = 20.0
MOST_BYTES = 2**30
HERE = Path(__file__).parent
FAULTS = ("accepted", "refused wrongly", "traceback", "hang", "crash", "memory")
_DEVICE = (b"/dev/", b"/proc/", b"/sys/")


class Kind(NamedTuple):
    """How files of a kind are read, and valid ones to begin with."""

    suffix: str
    read: Callable[[Path], str]
    """Read it as a user would; what was told about it."""
    write: tuple[Callable[[Path], Any], ...]


def kinds() -> dict[str, Kind]:
    """All kinds; imported when asked for, as the parent needs no torch."""
    import fuzz_kinds

    return fuzz_kinds.KINDS


def cases() -> dict[str, Case]:
    """All named inputs."""
    import hostile_files  # fills the table
    from hostile import CASES

    del hostile_files
    return CASES


# -- mutants --------------------------------------------------------------------------
def mutant(valid: bytes, rng: np.random.Generator) -> bytes:
    """Damage bytes in one to three ways."""
    data = bytearray(valid)
    for _ in range(rng.integers(1, 4)):
        if not data:
            break
        _WAYS[rng.integers(len(_WAYS))](data, rng)
    return bytes(data)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """A place anywhere, half of the time among the first 2 kB: there is the header."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 2048)
    return int(rng.integers(end))


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 9)):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _overwrite(data: bytearray, rng: np.random.Generator) -> None:
    at, size = _place(data, rng), int(rng.integers(1, 64))
    new = (bytes(size), b"\xff" * size, rng.bytes(size))[rng.integers(3)]
    data[at : at + size] = new[: len(data) - at]


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[_place(data, rng) :]


def _insert(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    data[at:at] = rng.bytes(int(rng.integers(1, 64)))


def _delete(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 64))]


def _swap(data: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.integers(1, 256))
    a, b = sorted((_place(data, rng), _place(data, rng)))
    if b - a >= size and b + size <= len(data):
        data[a : a + size], data[b : b + size] = (
            data[b : b + size],
            data[a : a + size],
        )


def _number(data: bytearray, rng: np.random.Generator) -> None:
    """An extreme whole number, where one may stand."""
    size = int(rng.choice([1, 2, 4, 8]))
    at = _place(data, rng) // size * size
    values = (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    data[at : at + size] = int(values[rng.integers(5)]).to_bytes(size, "little")


def _digit(data: bytearray, rng: np.random.Generator) -> None:
    """A character of texts."""
    marks = b"0123456789+-.eE,;#\n\t \"'[]{}=nai_~/\\%"
    data[_place(data, rng)] = marks[rng.integers(len(marks))]


_WAYS = (_flip, _flip, _overwrite, _cut, _insert, _delete, _swap, _number, _digit)


class Job(NamedTuple):
    """One input: a name of `cases`, or the number of a mutant of a kind."""

    kind: str
    name: str = ""
    number: int = -1
    seed: int = 0

    def write(self, path: Path, valid: list[bytes]) -> None:
        """Write it at a path."""
        if self.name:
            cases()[self.name].write(path)
            return
        key = [self.seed, zlib.crc32(self.kind.encode()), self.number]
        rng = np.random.default_rng(key)
        data = mutant(valid[self.number % len(valid)], rng)
        for name in _DEVICE:  # no mutant may lead to a device by chance
            data = data.replace(name, b"/xyz/")
        path.write_bytes(data)


# -- the worker -----------------------------------------------------------------------
def work() -> None:
    """Read jobs as JSON lines, answer with verdicts."""
    folder = Path(tempfile.mkdtemp(prefix="scicompty-fuzz-"))
    answer, sys.stdout = sys.stdout, sys.stderr
    try:
        known, valid = kinds(), _valid(folder)
        cases()
        _limit_memory()
        print("ready", file=answer, flush=True)
        for line in sys.stdin:
            job = Job(**json.loads(line))
            home = folder / "case" / "home"
            home.mkdir(parents=True)
            path = home / f"input{known[job.kind].suffix}"
            try:
                job.write(path, valid[job.kind])
                verdict = judge(job, path)
            finally:
                shutil.rmtree(folder / "case", ignore_errors=True)
            print(json.dumps(verdict), file=answer, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _valid(folder: Path) -> dict[str, list[bytes]]:
    """Bytes of the valid files of each kind; written once."""
    found: dict[str, list[bytes]] = {}
    for name, kind in kinds().items():
        found[name] = []
        for j, write in enumerate(kind.write):
            path = folder / f"valid-{name}-{j}{kind.suffix}"
            write(path)
            kind.read(path)
            found[name].append(path.read_bytes())
    return found


def judge(job: Job, path: Path) -> tuple[str, str]:
    """Read one input, and say whether what happened is right."""
    from napari_scicompty import InputError
    from napari_scicompty.core.errors import EngineError

    case = cases()[job.name] if job.name else None
    try:
        told = kinds()[job.kind].read(path)
    except (InputError, EngineError) as error:
        text = str(error)
        if "\n" in text or len(text) > 2000 or len(text) < 20:
            return "traceback", f"no sentence: {text[:300]!r}"
        if case is not None and case.must == "opens":
            return "refused wrongly", text
        if case is not None and case.must == "refused" and case.says not in text:
            return "refused wrongly", f"not for {case.says!r}: {text}"
        return "refused", text
    except MemoryError as error:
        return "memory", repr(error)
    except BaseException as error:
        return "traceback", f"{type(error).__name__}: {str(error)[:300]}"
    if case is not None and case.must == "refused":
        return "accepted", told[:300]
    if case is not None and case.says not in told:
        return "accepted", f"without {case.says!r}: {told[:300]}"
    return "opened", ""


def _limit_memory() -> None:
    with contextlib.suppress(ImportError):
        import resource

        status = Path("/proc/self/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmData"))
        now = int(line.split()[1]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (now + MOST_BYTES, -1))


# -- the parent -----------------------------------------------------------------------
class Worker:
    """A process that reads inputs, begun anew where one ends it or takes too long."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, job: Job) -> tuple[str, str]:
        """Return the verdict about one input."""
        process = self._process or self._start()
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(LONGEST_S, stop)
        timer.start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(job._asdict()) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        timer.cancel()
        if line:
            verdict, detail = json.loads(line)
            return verdict, detail
        self.close()
        if late.is_set():
            return "hang", f"over {LONGEST_S:g} s"
        return "crash", f"the process ended with {process.returncode}"

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(HERE / "fuzz.py"), "--worker"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"no worker: {' '.join(command)}")
        self._process = process
        return process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self._process = None


def jobs(
    names: list[str], seed: int, mutants: int | None, with_cases: bool
) -> Iterator[Job]:
    """All named inputs, then mutants of each kind in turn."""
    if with_cases:
        for name, case in cases().items():
            if case.kind in names:
                yield Job(case.kind, name)
    mutated = [name for name in names if kinds()[name].write]
    number = 0
    while mutants is None or number < mutants:
        for name in mutated:
            yield Job(name, number=number, seed=seed)
        number += 1


def run(
    todo: Iterator[Job], seconds: float, parallel: int = 2
) -> list[tuple[Job, str, str]]:
    """Try inputs until there are none left, or the time is up."""
    end = time.monotonic() + seconds
    done: queue.SimpleQueue[tuple[Job, str, str]] = queue.SimpleQueue()
    lock = threading.Lock()

    def go() -> None:
        worker = Worker()
        try:
            while time.monotonic() < end:
                with lock:
                    job = next(todo, None)
                if job is None:
                    return
                done.put((job, *worker(job)))
        finally:
            worker.close()

    threads = [threading.Thread(target=go) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [done.get() for _ in range(done.qsize())]


def table(results: list[tuple[Job, str, str]]) -> str:
    """What was tried of each kind, and what came of it."""
    columns = ("tried", "held", *FAULTS)
    rows = []
    for what in ("named", "mutants"):
        of_it = [r for r in results if bool(r[0].name) == (what == "named")]
        for kind in dict.fromkeys(job.kind for job, *_ in of_it):
            counts = Counter(verdict for job, verdict, _ in of_it if job.kind == kind)
            bad = [counts[fault] for fault in FAULTS]
            rows.append(
                (f"{kind}, {what}", counts.total(), counts.total() - sum(bad), *bad)
            )
    numbers = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    rows.append(("all", *numbers))
    lines = [f"{'':26}" + "".join(f"{name:>17}" for name in columns)]
    lines += [f"{row[0]:26}" + "".join(f"{n:>17}" for n in row[1:]) for row in rows]
    return "\n".join(lines)


def keep(faults: list[tuple[Job, str, str]], folder: Path) -> None:
    """Keep what was found, and say how to try it again."""
    if not faults:
        return
    with tempfile.TemporaryDirectory() as scratch:
        valid = _valid(Path(scratch))
    for job, verdict, detail in faults:
        print(f"{verdict}: {job.name or f'{job.kind}, mutant {job.number}'}: {detail}")
        if job.name:
            print(f"    again: python tests/fuzz.py --case {job.name!r}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        suffix = kinds()[job.kind].suffix
        path = folder / f"{job.kind}-{job.seed}-{job.number}{suffix}"
        job.write(path, valid[job.kind])
        print(f"    again: python tests/fuzz.py --again {job.kind} {path}")


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="", help="some of them, by commas")
    parser.add_argument("--mutants", type=int, help="of each kind; else until the end")
    parser.add_argument("--no-cases", action="store_true", help="no named inputs")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"))
    parser.add_argument("--again", nargs=2, metavar=("KIND", "FILE"))
    parser.add_argument("--case")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work()
        return 0
    if given.again:
        print(kinds()[given.again[0]].read(Path(given.again[1])))
        return 0
    if given.case:
        case = cases()[given.case]
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "home", f"input{kinds()[case.kind].suffix}")
            path.parent.mkdir()
            case.write(path)
            print(f"must be {case.must}: {kinds()[case.kind].read(path)}")
        return 0
    names = [name for name in given.kinds.split(",") if name] or list(kinds())
    todo = jobs(names, given.seed, given.mutants, not given.no_cases)
    results = run(todo, given.seconds, given.parallel)
    faults = [result for result in results if result[1] in FAULTS]
    keep(faults, given.keep)
    print(table(results))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
