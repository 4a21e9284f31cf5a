"""Evidence of the whole daemon: of a rendered alarm, and after a kill while a clip is written."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import pytest
from filming import check_hashes, played

from alerts.storage.files import UNFINISHED
from detector.evidence.record import RECORD, State, read_record
from detector.journal import queries
from journal_feeding import asked
from servers import fighting
from servers.daemon import DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONFIG = """
cameras: {gate: 'pattern://calm'}
evidence: {pre_roll_s: 3, post_roll_s: 1}
"""


def test_kill_9_while_a_clip_is_written_leaves_nothing_half_written(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("0 1")
    command = (sys.executable, fighting.__file__, str(script))
    with DaemonProcess(tmp_path / "jikimi", CONFIG, command=command) as daemon:
        evidence = daemon.state_dir / "evidence"
        daemon.wait_state("gate", "live")
        script.write_text("10 10")  # it fights all the time
        [half] = wait_until(
            lambda: [
                path for path in evidence.rglob(f"*{UNFINISHED}") if path.stat().st_size > 50_000
            ],
            "a clip to be written",
        )
        wait_until((half.parent / RECORD).exists, "what is whole to be recorded")
        with av.open(str(half)) as growing:  # it plays while it grows
            assert next(growing.decode(video=0)).key_frame
        daemon.kill()
        assert half.exists()
        script.write_text("0 1")
        daemon.start()
        wait_until(lambda: not half.exists(), "what is half written to be deleted")
        wait_until(
            lambda: read_record(half.parent).state is State.CUT_SHORT, "the record to say so"
        )
        check_hashes(half.parent, read_record(half.parent))
        daemon.wait_state("gate", "live")
        script.write_text("10 10")
        wait_until(lambda: len(list(evidence.glob("*/*"))) == 2, "another incident")
        script.write_text("0 1")

        def whole() -> list[Path]:
            return [
                path.parent
                for path in evidence.rglob(RECORD)
                if read_record(path.parent).state is State.WHOLE
            ]

        [folder] = wait_until(whole, "its evidence to be whole", 60)
        record = read_record(folder)
        check_hashes(folder, record)
        assert record.clips[0].pre_roll_s >= 1.0
        played(folder / record.clips[0].name)
        assert daemon.metric("jikimi_evidence_ring_bytes", camera="gate") > 10_000
        assert daemon.metric("jikimi_evidence_files_total", kind="clip") == 1
        hashes = {f"{folder.parent.name}/{folder.name}/{file.name}": file.sha256
                  for file in record.files}  # fmt: skip

        def journalled() -> bool:
            journal = daemon.state_dir / "journal.sqlite"
            found = asked(journal, lambda c: queries.incident(c, record.incident))
            curves = [len(curve.scores) > 0 for curve in found.scores] if found else []
            return curves == [True] and {f.name: f.sha256 for f in found.evidence} == hashes

        wait_until(journalled, "the journal to have the hashes")
