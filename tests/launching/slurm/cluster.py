"""A real Slurm with two nodes on this machine, everything in one temporary folder.

    python -m tests.launching.slurm.cluster FOLDER   starts one, prints the SLURM_CONF to export, runs until Ctrl-C

Needs slurmctld, slurmd and the client commands (Debian: `apt-get install slurm-wlm`), and to be root, since a slurmd
starts jobs for others. No munge, no cgroups, no accounting: job states are asked of squeue and scontrol alone.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

NODES = ("n1", "n2")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
_START_SECONDS = 60
_CREDENTIAL_SECONDS = 1.1
"""Past the second in which a credential was revoked: Slurm dates both by whole seconds."""


def missing_for_a_cluster() -> str | None:
    """Say what this machine lacks for a cluster of its own; None where it lacks nothing."""
    absent = [name for name in PROGRAMS if _find(name) is None]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)} missing): apt-get install slurm-wlm"
    return None if os.geteuid() == 0 else "a Slurm of two nodes on one machine needs root"


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Cluster:
    """Two nodes of one core each. A context manager; `environment` is what clients need.

    Args:
        folder: temporary folder for configuration, state and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        ports = _free_ports(1 + len(NODES))
        self.ports = dict(zip(("slurmctld", *NODES), ports, strict=True))
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}

    def __enter__(self) -> "Cluster":
        for name in ("state", "logs", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        self.configuration.write_text(self._configuration())
        self._start("slurmctld", "slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        self.wait_for(lambda: set(self.node_states().values()) == {"idle"}, "two idle nodes")
        return self

    def __exit__(self, *_: object) -> None:
        self.client("scancel", "--quiet", "--state=RUNNING", check=False)
        self.client("scancel", "--quiet", "--state=PENDING", check=False)
        for name in (*NODES, "slurmctld"):
            self._stop(name)
        for node in NODES:
            self._kill_jobs(node)

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """End a node as a power cut would: its daemon and all processes of its jobs, without a word to anybody."""
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()
        self._kill_jobs(node)

    def _kill_jobs(self, node: str) -> None:
        marks = (f"SLURMD_NODENAME={node}\0".encode(), f"SLURM_CONF={self.configuration}\0".encode())
        doomed = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment, fields = (process / "environ").read_bytes(), (process / "stat").read_text()
                parent = Path("/proc", fields.rpartition(")")[2].split()[1])
                steward = b"slurmstepd" in (parent / "cmdline").read_bytes()
            except OSError:
                continue
            if all(mark in environment for mark in marks):
                doomed |= {int(process.name)} | ({int(parent.name)} if steward else set())
        for number in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def client(self, *command: str, check: bool = True) -> str:
        """Return what a client command prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def node_states(self) -> dict[str, str]:
        lines = self.client("sinfo", "--noheader", "--Node", "--format=%N %t", check=False).splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def queue(self) -> list[str]:
        """Return `job state node` of all jobs in the queue."""
        return self.client("squeue", "--noheader", "--array", "--format=%F_%K %T %N").splitlines()

    def hurry(self) -> None:
        """Let jobs that were requeued start in the next second: Slurm would keep them back for two minutes.

        Not in the same second: requeueing revokes the job's credentials up to that second, and
        Slurm kills a job for good whose new credential bears the date of the revocation.
        """
        waiting = self.client("squeue", "--noheader", "--array", "--states=PENDING", "--format=%F_%K %r")
        kept_back = [
            job for job, _, reason in (line.partition(" ") for line in waiting.splitlines()) if reason == "BeginTime"
        ]
        if kept_back:
            time.sleep(_CREDENTIAL_SECONDS)
        for job in kept_back:
            self.client("scontrol", "update", f"JobId={job.removesuffix('_N/A')}", "StartTime=now", check=False)

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"waited {seconds} s for {what}; {self.node_states()} {self.queue()}\n{self._logs()}"
                )
            time.sleep(0.2)

    def _start(self, name: str, *command: str) -> None:
        log = (self.folder / "logs" / f"{name}.out").open("ab")
        program = _find(command[0])
        assert program is not None
        with log:
            self.daemons[name] = subprocess.Popen(
                [program, *command[1:]], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def _logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in (self.folder / "logs").glob("*")
        )

    def _configuration(self) -> str:
        host, folder = socket.gethostname().partition(".")[0], self.folder
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[node]} CPUs=1 State=UNKNOWN"
            for node in NODES
        )
        return f"""
ClusterName=two
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.ports["slurmctld"]}
SlurmUser={getpass.getuser()}
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/logs/slurmctld.log
SlurmdLogFile={folder}/logs/slurmd.%n.log
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobRequeue=1
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
KillWait=10
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=1
SchedulerTimeSlice=5
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    if reason := missing_for_a_cluster():
        sys.exit(reason)
    with Cluster(Path(sys.argv[1]).resolve()) as running:
        print(f"export SLURM_CONF={running.configuration}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
