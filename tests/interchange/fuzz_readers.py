"""Damage files in every way, and see that each reader refuses them in words.

``python tests/interchange/fuzz_readers.py --times 1000`` mutates an intact file of each format a
thousand times: flipped bytes, cut ends, deleted, doubled and foreign pieces, huge numbers, and in
zip files also the content behind valid check sums. Reading it must give a result or a
`PoseStageError`, within 20 seconds and less than 1 GB more memory. Readers run in a process of
their own, so that a crash of a C library counts as a failure of that file and not as the end.
"""

import argparse
import io
import random
import resource
import selectors
import subprocess
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from samples import READERS

from pose_core.errors import PoseStageError

PATIENCE_S = 20.0
MAX_MEMORY_KB = 1024**2
HUGE = (b"9" * 400, b"1e999", b"-1", b"nan", b"18446744073709551615", b"2147483648", b"1e-320")
FIELDS = (b"\xff" * 4, b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\x80" + bytes(7))
OUTCOMES = ("read", "refused", "traceback", "memory", "hang", "crash")
FAILURES = OUTCOMES[2:]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to three kinds of damage."""
    if data[:2] == b"PK" and rng.random() < 0.5:
        return _repacked(data, rng)
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(KINDS)(bytearray(data), rng)
    return data


def _flip(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 12)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _cut(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.randint(0, len(data))])


def _delete(data: bytearray, rng: random.Random) -> bytes:
    start = rng.randint(0, len(data))
    del data[start : start + rng.randint(1, 200)]
    return bytes(data)


def _double(data: bytearray, rng: random.Random) -> bytes:
    start, place = rng.randint(0, len(data)), rng.randint(0, len(data))
    data[place:place] = data[start : start + rng.randint(1, 500)]
    return bytes(data)


def _field(data: bytearray, rng: random.Random) -> bytes:
    """A size or number of the binary file becomes huge, negative or zero."""
    value = rng.choice(FIELDS)
    start = rng.randint(0, len(data))
    data[start : start + len(value)] = value
    return bytes(data)


def _number(data: bytearray, rng: random.Random) -> bytes:
    """A number of the text becomes huge, or none at all."""
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return _field(data, rng)
    start = end = rng.choice(digits)
    while start > 0 and data[start - 1] in b"0123456789.-":
        start -= 1
    while end < len(data) and data[end] in b"0123456789.":
        end += 1
    data[start:end] = rng.choice(HUGE)
    return bytes(data)


KINDS = (_flip, _flip, _cut, _delete, _double, _field, _number)


def _repacked(data: bytes, rng: random.Random) -> bytes:
    """A zip with damage in one member, and check sums that fit it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as packed:
        names = archive.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = archive.read(name)
            if name == chosen:
                # Headers are short: damage there is damage that matters.
                size = min(len(content), rng.choice((128, 4096, len(content))))
                head = rng.choice(KINDS)(bytearray(content[:size]), rng)
                content = head + content[size:]
            packed.writestr(name, content)
    return out.getvalue()


def attempt(name: str, path: Path) -> tuple[str, str]:
    """Read a damaged file: what came of it, and the traceback if it is a failure."""
    try:
        READERS[name].read(path)
    except PoseStageError as error:
        # Words for people: one line that is not empty.
        is_told = bool(error.message) and "\n" not in str(error)
        return ("refused", "") if is_told else ("traceback", repr(error))
    except Exception:  # noqa: BLE001 - whatever it is, it is the finding
        return "traceback", traceback.format_exc()
    return "read", ""


def work(name: str, seed: int, start: int, times: int, folder: Path) -> None:
    """In the process of its own: one line for each file, when it begins and when it ends."""
    path = READERS[name].make(folder)
    intact = path.read_bytes()
    READERS[name].read(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(start, times):
        path.write_bytes(mutated(intact, random.Random(f"{name} {seed} {number}")))
        say(f"begin {number}")
        outcome, text = attempt(name, path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak - before > MAX_MEMORY_KB:
            outcome, text = "memory", f"{(peak - before) / 1024:.0f} MB"
            before = peak
        say(f"end {number} {outcome} " + text.replace("\n", "\x1f"))


def fuzz(name: str, times: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Try one reader; outcomes, and what is to be said of the failures."""
    outcomes: Counter = Counter()
    told: list[str] = []
    start = 0
    while start < times:
        start = _fuzz_until_it_ends(name, seed, start, times, outcomes, told)
    return outcomes, told


def _fuzz_until_it_ends(
    name: str, seed: int, start: int, times: int, outcomes: Counter, told: list[str]
) -> int:
    """Run the process; the number to go on with when it has crashed or hung."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--worker", name, "--seed", str(seed)]
        command += ["--start", str(start), "--times", str(times), "--folder", folder]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        current, end = start, "crash"
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            # The first answer takes as long as Python needs to start.
            while selector.select(PATIENCE_S if current > start else 120):
                line = child.stdout.readline()
                if not line:
                    break
                word, number, *rest = line.rstrip("\n").split(" ", 3)
                current = int(number) + (word == "end")
                if word == "end":
                    outcomes[rest[0]] += 1
                    if rest[0] in FAILURES:
                        told.append(f"{name} {number}: {rest[0]}\n" + rest[1].replace("\x1f", "\n"))
            else:
                end = "hang"
                child.kill()
        code = child.wait()
        child.stdout.close()
    if current >= times:
        return times
    outcomes[end] += 1
    told.append(f"{name} {current}: {end} (exit code {code})")
    return current + 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", default=",".join(READERS), help="names, separated by commas")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.seed, options.start, options.times, options.folder)
        return 0
    num_failures = 0
    say(f"{'reader':20}" + "".join(f"{outcome:>11}" for outcome in OUTCOMES))
    for name in options.readers.split(","):
        outcomes, told = fuzz(name, options.times, options.seed)
        say(f"{name:20}" + "".join(f"{outcomes[word]:11}" for word in OUTCOMES))
        for text in told[:3]:
            say(text)
        num_failures += len(told)
    say(f"{num_failures} failures")
    return 1 if num_failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
