"""What `make setup`, `make bodies` and `make lock` do besides calling pip; with the standard library alone.

    fits LOCK ...             exit code 2 and a sentence, where a lock file is for another Python or system
    bodies FILE               install each package of a file by itself, and say what a missing one costs
    lock RUN DEV [--upgrade]  write the two lock files anew

`fits` works on any Python from 3.6 on, so that one that is too old hears which is expected.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

WRONG_INPUT = 2
HEAD = re.compile(r"# .* for (\w+) (\d+\.\d+) on (\w+) (\w+)\.")
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)
CARRIES = re.compile(r"^([\w.-]+)==(\S+) (--hash=\S+)  # (.+)$", re.MULTILINE)
ROOT = Path(__file__).resolve().parent.parent
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "install")


def this_place():
    """Return implementation, minor version, system and machine of this Python, as a lock's head says them."""
    minor = ".".join(platform.python_version_tuple()[:2])
    return platform.python_implementation(), minor, platform.system(), platform.machine()


def misfit(lock, here):
    """Return the sentence about a lock that is not for this Python or system, and what to do; None where it fits."""
    try:
        head = HEAD.match(Path(lock).read_text())
    except (OSError, ValueError) as error:
        return f"{lock}: expected a lock file that can be read, got: {error}"
    if head is None:
        return f"{lock}: expected a first line that says for which Python and system it is, as `make lock` writes it"
    if head.groups() == here:
        return None
    implementation, minor, system, machine = head.groups()
    expected, got = f"{implementation} {minor} on {system} {machine}", "{} {} on {} {}".format(*here)
    that_python = f"`make setup PYTHON=python{minor}` takes that Python, " if minor != here[1] else ""
    return (
        f"{lock}: expected {expected}, got {got}; {that_python}`make lock` writes a lock for this one, and "
        "`make setup LOCK=` installs the newest versions that setup.cfg allows"
    )


def install_bodies(file):
    """Install each package of a file without its dependencies, and return a line for each that cannot be had."""
    lines = []
    for name, version, digest, carries in CARRIES.findall(Path(file).read_text()):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as one:
            one.write(f"{name}=={version} {digest}\n")
            one.flush()
            done = subprocess.run(
                [sys.executable, *PIP, "--no-deps", "--require-hashes", "--requirement", one.name],
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        if done.returncode:
            # Without all versions that there are instead.
            said = re.findall(r"^ERROR: (.+?)(?: \(from versions: .*\))?$", done.stderr, re.MULTILINE)
            lines.append(
                f"{name}=={version} could not be installed ({said[0] if said else 'pip does not say why'}): benches "
                f"leave out what needs it, {carries}; `make bodies` tries again"
            )
    return lines


def pins(lock):
    """Return the versions in a lock file by package; none where there is no file."""
    path = Path(lock)
    return dict(PIN.findall(path.read_text())) if path.is_file() else {}


def write_locks(run, dev, upgrade):
    """Write the packages that setup.cfg asks for into `run`, and those that its extra `dev` adds into `dev`.

    Versions that are in the files already are kept where they fit, unless `upgrade`; tools never move what runs need.
    """
    build = re.search(r"^requires = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    backend = re.findall('"(.+?)"', build.group(1)) if build else []
    kept = {} if upgrade else {**pins(dev), **pins(run)}
    runs = resolve([str(ROOT), *backend], kept)
    held = {**kept, **{name: version for name, (version, _) in runs.items()}}
    tools = {name: pin for name, pin in resolve([str(ROOT) + "[dev]", *backend], held).items() if name not in runs}
    where = "for {} {} on {} {}.".format(*this_place())
    _write(run, f"# All that runs need, one version each, {where}", runs)
    _write(dev, f"# Tools for tests, types and docs, beside requirements-lock.txt, {where}", tools)


def resolve(wanted, held):
    """Return version and SHA-256 of each package that pip would install on a fresh machine, by name.

    `held` are versions to take, by name, whether or not a package is wanted.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        constraints, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        constraints.write_text("".join("{}=={}\n".format(*pin) for pin in held.items()))
        python = str(Path(folder, "bin", "python"))
        options = ["--dry-run", "--only-binary", ":all:", "--constraint", str(constraints), "--report", str(report)]
        done = subprocess.run([python, *PIP, *options, *wanted], check=False)
        if done.returncode:
            sys.exit(WRONG_INPUT)
        found = json.loads(report.read_text())["install"]
    return {
        re.sub("[-_.]+", "-", package["metadata"]["name"]).lower(): (
            package["metadata"]["version"],
            package["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for package in found
        if "archive_info" in package["download_info"]  # not what lies in a folder: our own
    }


def _write(lock, head, found):
    lines = ["{}=={} --hash=sha256:{}\n".format(name, *found[name]) for name in sorted(found)]
    Path(lock).write_text(
        "{}\n# Written by `make lock`; docs/quickstart.md says how to use and to renew it.\n{}".format(
            head, "".join(lines)
        )
    )


def main():
    """Do what the command line says, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("fits").add_argument("locks", nargs="*")
    commands.add_parser("bodies").add_argument("file")
    lock = commands.add_parser("lock")
    lock.add_argument("run")
    lock.add_argument("dev")
    lock.add_argument("--upgrade", action="store_true")
    asked = parser.parse_args()
    if asked.command == "fits":
        wrong = [line for line in (misfit(lock, this_place()) for lock in asked.locks) if line]
        if wrong:
            print("error: " + wrong[0], file=sys.stderr)
            return WRONG_INPUT
    elif asked.command == "bodies":
        for line in install_bodies(asked.file):
            print(line, file=sys.stderr)
    elif asked.command == "lock":
        write_locks(asked.run, asked.dev, asked.upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
