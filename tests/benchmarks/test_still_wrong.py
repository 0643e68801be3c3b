"""Every wrong box on DeepPCB is counted once in each line: by board, size, what lies there, kind."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.still_wrong import still_wrong
from build_engine.datasets import read_deeppcb
from edge_agent.inspection.components import find_components
from edge_agent.inspection.inspection import Inspection, Verdict


def dataset(folder):
    """One board: a pair with a short, an open and a spur annotated, 8 px around each."""
    board = folder / "group1" / "00001"
    board.mkdir(parents=True)
    (board.parent / "00001_not").mkdir()
    for kind in ("test", "temp"):
        cv2.imwrite(str(board / f"1_{kind}.jpg"), np.zeros((200, 200, 3), np.uint8))
    lines = ["12 12 38 38 2", "92 92 118 118 1", "150 10 180 30 4"]
    (board.parent / "00001_not" / "1.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "trainval.txt").write_text("group1/00001/1.jpg group1/00001_not/1.txt\n", encoding="utf-8")
    return read_deeppcb(folder)


def test_each_wrong_box_is_counted_by_what_it_is(tmp_path) -> None:
    score = np.zeros((200, 200), np.float32)
    score[20:30, 20:30] = 0.9  # the short, found
    score[94:98, 94:98] = 0.8  # beside the open, overlapping too little
    score[150:160, 20:60] = 0.7  # nothing there
    found, total = find_components(score, 0.5)
    said = still_wrong(dataset(tmp_path), [Inspection(Verdict.NG, (), 0.9, found, total)])
    assert said[1].split() == ["00001", "1", "3", "2", "2"]  # board, pairs, annotated, false, missed
    assert "false, longer side: below 8 px 1, below 16 0, below 32 0, longer 1" in said
    assert "false: 1 touch an annotated box, 1 lie alone" in said
    assert "missed: 1 are touched by a detected box, 1 by none" in said
    assert "open 1 of 1, short 0 of 1, mousebite 0 of 0, spur 1 of 1" in said[-1]
