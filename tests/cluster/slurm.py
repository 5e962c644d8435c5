"""A real Slurm of one node, on loopback only, with everything it writes in one folder.

    python tests/cluster/slurm.py start FOLDER    # then: PATH=FOLDER/bin:$PATH sinfo
    python tests/cluster/slurm.py stop FOLDER
    python tests/cluster/slurm.py run FOLDER      # until its standard input ends

Needs Debian's packages slurm-wlm and munge, of which nothing has to run. It has its own ports, its
own munge with its own key, and no database; no file outside of FOLDER is touched, so that a Slurm
that the machine belongs to goes on undisturbed. FOLDER/bin holds the commands (sbatch, squeue, ...)
bound to it: the environment variable SLURM_CONF would not do, because Snakemake's plugin removes
SLURM_* before it calls srun.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = "apt-get install -y --no-install-recommends slurm-wlm munge"
DAEMONS = ("slurmd", "slurmctld", "munged")  # in the order in which they are stopped
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "sacct", "sacctmgr")
# Where Debian's packages are, ahead of PATH: that may begin with the commands of another folder.
SEARCH_PATH = os.pathsep.join(["/usr/bin", "/usr/sbin", os.environ.get("PATH", "")])
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20

CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/run/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=bf_interval=2,sched_interval=5
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={root}/log/jobcomp.txt
MinJobAge=300
InactiveLimit=0
KillWait=2
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500
"""


def missing() -> list[str]:
    """The programs of Debian's packages that are not installed."""
    programs = (*DAEMONS, *COMMANDS)
    return [name for name in programs if shutil.which(name, path=SEARCH_PATH) is None]


class Slurm:
    """A Slurm in a folder.

    Parameters
    ----------
    root : pathlib.Path
        The folder, made where it is not there. Job ids count on where it was used before.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.bin = self.root / "bin"
        self.record = self.root / "log" / "jobcomp.txt"
        self.config = self.root / "slurm.conf"

    def start(self) -> None:
        """Start munge, the controller and the node; return when jobs can be submitted."""
        for folder in ("bin", "log", "run", "spool", "state"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.record.touch()
        self._configure()
        try:
            self._start_daemons()
        except BaseException:
            self.stop()
            raise

    def _configure(self) -> None:
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        controller_port, node_port = _free_ports(2)
        values = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        values |= {"controller_port": controller_port, "node_port": node_port, "root": self.root}
        self.config.write_text(CONFIGURATION.format(**values))
        for name in COMMANDS:
            real = shutil.which(name, path=SEARCH_PATH)
            wrapper = self.bin / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF="{self.config}" exec {real} "$@"\n')
            wrapper.chmod(0o755)

    def _start_daemons(self) -> None:
        run, log = self.root / "run", self.root / "log"
        # Forced: munge wants every user of the machine to reach its socket.
        munge = ["--force", f"--key-file={self.root}/munge.key", f"--socket={run}/munge.socket"]
        munge += [f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log"]
        self._start_daemon("munged", *munge, f"--seed-file={self.root}/munge.seed")
        self._start_daemon("slurmctld", "-f", str(self.config))
        self._start_daemon("slurmd", "-f", str(self.config))
        self._wait_until_idle()

    def _start_daemon(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=SEARCH_PATH)
        with (self.root / "log" / f"{name}.start").open("w") as log:
            command = [str(program), *arguments]
            subprocess.run(command, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.call("sinfo", "--noheader", "--format=%T", check=False).strip() != "idle":
            if time.monotonic() > deadline:
                raise TimeoutError(f"Slurm does not start: see {self.root / 'log'}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End its jobs and its daemons; harmless where they are gone already."""
        if self._pid("slurmctld") and self._pid("slurmd"):
            self.cancel_all()
        for name in DAEMONS:
            self._stop_daemon(name)

    def cancel_all(self) -> None:
        """Cancel all jobs, and wait for their end."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.call("squeue", "--noheader", check=False) and time.monotonic() < deadline:
            self.call("scancel", f"--user={getpass.getuser()}", check=False)
            time.sleep(0.5)

    def _stop_daemon(self, name: str) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while pid := self._pid(name):
            gently = time.monotonic() < deadline
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if gently else signal.SIGKILL)
            time.sleep(0.2)

    def _pid(self, name: str) -> int | None:
        """The id of a daemon's process, by its pid file, if it is this folder's and alive."""
        try:
            pid = int((self.root / "run" / f"{name}.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return None
        return pid if f"{self.root}/" in command else None

    def call(self, command: str, *arguments: str, check: bool = True) -> str:
        """What one of Slurm's commands prints."""
        call = [str(self.bin / command), *arguments]
        done = subprocess.run(call, check=check, capture_output=True, text=True, timeout=60)
        return done.stdout

    def records(self) -> list[dict[str, str]]:
        """The jobs that ended, as the scheduler recorded them: JobId, JobState, TimeLimit, ..."""
        lines = self.record.read_text().splitlines()
        return [
            dict(field.split("=", 1) for field in line.split() if "=" in field) for line in lines
        ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def main() -> None:
    """The command line."""
    action, folder = sys.argv[1:] if len(sys.argv) == 3 else ("", "")
    slurm = Slurm(Path(folder))
    if action not in ("start", "stop", "run"):
        sys.exit(__doc__)
    if lacking := missing():
        sys.exit(f"not installed: {', '.join(lacking)}; type: {PACKAGES}")
    if action in ("start", "run"):
        slurm.start()
        print(f"Slurm runs: PATH={slurm.bin}:$PATH", flush=True)
    if action == "run":
        sys.stdin.read()
    if action in ("stop", "run"):
        slurm.stop()


if __name__ == "__main__":
    main()
