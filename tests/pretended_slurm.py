"""A real SLURM on this machine: munge, a controller and four nodes; only their GPUs are pretended.

It keeps accounts where slurmdbd and MariaDB are there.
It needs root, because SLURM reads its configuration from /etc/slurm alone; a machine that has one of its own is left
alone. Everything is stopped and removed at the end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ETC = Path("/etc/slurm")
NODES = {"c1": "", "g1": "Gres=gpu:a100:4", "g2": "Gres=gpu:a100:4", "g3": "Gres=gpu:a100:4"}
DAEMONS = ("slurmctld", "slurmd", "slurmdbd")
PARTITIONS = {
    "cpu": {"max_runtime": "1d", "max_mem_mb": 64000, "max_threads": 16, "max_nodes": 1},
    "gpu": {"max_mem_mb": 64000, "max_threads": 16, "max_nodes": 3, "max_gpu": 4, "available_gpu_models": ["a100"]},
}
NAME = "pretended"
MARK = "# Of the tests of agentflan"
CONFIGURATION = """{mark}
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
SchedulerParameters=batch_sched_delay=0,sched_interval=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
StateSaveLocation={spool}
SlurmdSpoolDir={spool}/%n
SlurmctldPidFile={spool}/slurmctld.pid
SlurmdPidFile={spool}/%n.pid
SlurmctldLogFile={spool}/slurmctld.log
SlurmdLogFile={spool}/%n.log
{nodes}
PartitionName=cpu Nodes=c1 Default=YES MaxTime=1-0
PartitionName=gpu Nodes=g[1-3] MaxTime=2-0
"""


ACCOUNTS = 17020  # ports: of MariaDB, and the next one of slurmdbd
ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoreFlags=job_comment
"""
DATABASE = """AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage}
StorageUser=slurm
StoragePass=slurm
LogFile={spool}/slurmdbd.log
PidFile={spool}/slurmdbd.pid
"""


def why_not() -> str:
    """Why no cluster can be started here; empty if it can."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "a cluster on one machine is started by root alone"
    if (ETC / "slurm.conf").exists() and not _ours():
        return f"{ETC}/slurm.conf: this machine has a SLURM of its own"
    return ""


def _ours() -> bool:
    """Whether a killed run of these tests left its configuration behind; then the daemons are its own, too."""
    file = ETC / "slurm.conf"
    return file.exists() and file.read_text().startswith(MARK)


class Cluster:
    """The running cluster and what tests do to it."""

    def __init__(self) -> None:
        self.spool = Path(tempfile.mkdtemp(prefix="pretended-slurm-"))
        self.accounts = all(map(shutil.which, ("slurmdbd", "mariadbd", "mariadb-install-db")))
        self.daemons: list[psutil.Process] = []

    def start(self) -> None:
        """Start every daemon and wait for the nodes."""
        if _ours():
            _end([process for process in psutil.process_iter() if process.name() in DAEMONS])
            _end(_of_jobs())
        self._configure()
        if subprocess.run("munge -n | unmunge", shell=True, capture_output=True).returncode:
            Path("/run/munge").mkdir(exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            self._start(Path("/run/munge/munged.pid"), "su", "-s", "/bin/sh", "munge", "-c", "/usr/sbin/munged")
        if self.accounts:
            self._keep_accounts()
        self.start_controller()
        for name in NODES:
            self._start_node(name)
        self.wait_for(lambda: self.tell("sinfo", "-h", "-N", "-o", "%t").split().count("idle") >= len(NODES), 60)

    def start_controller(self) -> None:
        """Start the controller, at first or again."""
        self._start(self.spool / "slurmctld.pid", "slurmctld")

    def stop_controller(self) -> None:
        """Let the controller go away; jobs run on."""
        _end([daemon for daemon in self.daemons if daemon.is_running() and daemon.name() == "slurmctld"])

    def break_node(self, job: str) -> None:
        """Let the node that runs a job lose power; it stays away until `clear`."""
        node = next(each["node"] for each in self.jobs() if each["id"] == job)
        for daemon in self._of(node):
            daemon.kill()  # first: it would still tell the controller that the job failed
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if " ".join(process.cmdline()).startswith(f"slurmstepd: [{job}."):
                    process.kill()
        _end(_of_jobs(job))
        self.do("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def _of(self, node: str) -> list[psutil.Process]:
        """The running daemon of a node, if it is there."""
        alive = [each for each in self.daemons if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        return [each for each in alive if each.cmdline()[-2:] == ["-N", node]]

    def _start_node(self, name: str) -> None:
        self._start(self.spool / f"{name}.pid", "slurmd", "-N", name)

    def stop(self) -> None:
        """End jobs and daemons, whatever state they are in, and leave the machine as it was."""
        self._cancel()
        _end(list(reversed(self.daemons)))
        _end(_of_jobs())
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
            (ETC / name).unlink(missing_ok=True)
        shutil.rmtree(self.spool, ignore_errors=True)

    def tell(self, *command: str) -> str:
        """What a SLURM command prints."""
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

    def do(self, *command: str) -> None:
        """Run a SLURM command that must work."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def hurry(self) -> None:
        """Let requeued jobs start now; SLURM would hold them back for two minutes."""
        for job in self.jobs("PENDING"):
            subprocess.run(["scontrol", "update", f"JobId={job['id']}", "StartTime=now"], capture_output=True)

    def clear(self) -> None:
        """End all jobs, and repair the nodes."""
        self._cancel()
        for node in NODES:
            if not self._of(node):
                self._start_node(node)
            subprocess.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], capture_output=True)

    def _cancel(self) -> None:
        with suppress(subprocess.SubprocessError):
            subprocess.run(["scancel", "--user", "root"], capture_output=True, timeout=20)
            self.wait_for(lambda: not self.jobs(), 40)

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Jobs in the queue: id, partition, state, comment."""
        wanted = ("--states", ",".join(states)) if states else ()
        lines = self.tell("squeue", "-h", "-o", "%i|%P|%T|%k|%N", *wanted).splitlines()
        return [
            dict(zip(("id", "partition", "state", "comment", "node"), line.split("|"), strict=True)) for line in lines
        ]

    @staticmethod
    def wait_for(what: Callable[[], object], seconds: float) -> None:
        """Wait until something holds.

        Raises:
            TimeoutExpired: it does not.
        """
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("waiting", seconds)
            time.sleep(0.5)

    def _configure(self) -> None:
        ETC.mkdir(exist_ok=True)
        nodes, gpus = [], []
        for number, (name, more) in enumerate(NODES.items()):
            port = 17011 + number
            nodes.append(f"NodeName={name} NodeAddr=127.0.0.1 Port={port} CPUs=16 RealMemory=64000 {more}")
            if more:
                for gpu in range(4):
                    (self.spool / f"{name}-gpu{gpu}").touch()
                gpus.append(f"NodeName={name} Name=gpu Type=a100 File={self.spool}/{name}-gpu[0-3]")
        settings = CONFIGURATION.format(
            mark=MARK, name=NAME, host=socket.gethostname(), spool=self.spool, nodes="\n".join(nodes)
        )
        (ETC / "slurm.conf").write_text(settings + (ACCOUNTING.format(port=ACCOUNTS + 1) if self.accounts else ""))
        (ETC / "gres.conf").write_text("\n".join([*gpus, ""]))

    def _keep_accounts(self) -> None:
        """Start MariaDB and slurmdbd, and make the cluster known to them."""
        folder, pid = self.spool / "accounts", self.spool / "mariadbd.pid"
        common = ["--no-defaults", f"--datadir={folder}", "--user=root"]
        install = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, capture_output=True)
        socket_file = f"--socket={self.spool}/mariadbd.sock"
        options = [socket_file, "--bind-address=127.0.0.1", f"--port={ACCOUNTS}", f"--pid-file={pid}"]
        with (self.spool / "mariadbd.log").open("w") as log:
            server = subprocess.Popen(["mariadbd", *common, *options], stdout=log, stderr=log)
        self.daemons.append(psutil.Process(server.pid))
        self.wait_for(lambda: pid.exists() and pid.read_text().strip(), 60)
        grant = "CREATE USER slurm@localhost IDENTIFIED BY 'slurm'; GRANT ALL ON *.* TO slurm@localhost"
        self.do("mariadb", "--no-defaults", socket_file, "--user=root", "--execute", grant)
        file = ETC / "slurmdbd.conf"
        file.touch(mode=0o600)
        file.write_text(DATABASE.format(port=ACCOUNTS + 1, storage=ACCOUNTS, spool=self.spool))
        self._start(self.spool / "slurmdbd.pid", "slurmdbd")
        self.wait_for(lambda: self.tell("sacctmgr", "--noheader", "list", "cluster").split() or self._enroll(), 60)

    def _enroll(self) -> None:
        subprocess.run(["sacctmgr", "--immediate", "add", "cluster", NAME], capture_output=True, timeout=60)

    def _start(self, pid: Path, *command: str) -> None:
        """Start a daemon and keep hold of it; it writes its number into a file."""
        pid.unlink(missing_ok=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.stderr}")
        self.wait_for(lambda: pid.exists() and pid.read_text().strip(), 20)
        self.daemons.append(psutil.Process(int(pid.read_text())))


def _of_jobs(number: str | None = None) -> list[psutil.Process]:
    """What jobs of this cluster, or one of them, have started; without cgroups some outlive their job."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            variables = process.environ()
            if variables.get("SLURM_CLUSTER_NAME") == NAME and number in (None, variables.get("SLURM_JOB_ID")):
                found.append(process)
    return found


def _end(processes: list[psutil.Process]) -> None:
    """SIGTERM, and SIGKILL where that does not help in ten seconds."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, 10)
    for process in alive:
        process.kill()


class Workplace:
    """A folder with the repository's profile, fitted to the cluster, in which `snakemake --profile slurm` runs."""

    Maker = Callable[..., "Workplace"]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code: int | None = None  # of the run that a fixture made

    def starts(self, name: str) -> list[str]:
        """What the job `name` of survival.smk wrote down at each start."""
        file = self.folder / f"starts_{name}"
        return file.read_text().split() if file.exists() else []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `snakemake --profile slurm …`; its output goes to the file `output`."""
        command = [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments]
        # The environment holds the package of this repository, not of the clone.
        environment = os.environ | {"PYTHONPATH": str(self.folder / "workflow")}
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=output, stderr=output, text=True)

    def run(self, *arguments: str, seconds: float = 600) -> int:
        """Run it to the end and give its exit code."""
        running = self.start(*arguments)
        try:
            return running.wait(seconds)
        finally:
            running.kill()

    def output(self) -> str:
        """All that it printed."""
        return (self.folder / "output").read_text()
