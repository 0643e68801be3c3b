"""DeepPCB: pairs of binarised PCB prints with annotated defects (tangsanli5201/DeepPCB)."""

from __future__ import annotations

from pathlib import Path

from build_engine.datasets.annotated_pair import AnnotatedPair, DatasetError, annotated_pair, read_boxes

LISTS = ("trainval.txt", "test.txt")


def read_deeppcb(path: Path) -> tuple[AnnotatedPair, ...]:
    """Pairs of one split, in the order of its list.

    Args:
        path: `trainval.txt` or `test.txt`, or a folder that holds exactly one of them (itself or in `PCBData/`).
            Each line names the test image and its annotation, relative to the list; the test image of `X.jpg` is
            `X_test.jpg`, its template `X_temp.jpg`.

    Raises:
        DatasetError: no list, a broken line or annotation.
        ImageError: an image of the list is missing.
    """
    listing = _find_list(path)
    pairs = []
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"is no list ({error})", where=str(listing), mend="name trainval.txt or test.txt") from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2:
            raise DatasetError(
                f"must be an image and an annotation, but got {line!r}",
                where=f"{listing}:{number}",
                mend="use the lists of the DeepPCB repository",
            )
        image, annotation = (listing.parent / field for field in fields)
        pairs.append(
            annotated_pair(
                image.with_name(f"{image.stem}_test{image.suffix}"),
                image.with_name(f"{image.stem}_temp{image.suffix}"),
                read_boxes(annotation),
                name=image.stem,
            )
        )
    return tuple(pairs)


def _find_list(path: Path) -> Path:
    if path.is_file():
        return path
    found = [folder / name for folder in (path, path / "PCBData") for name in LISTS if (folder / name).is_file()]
    if len(found) != 1:
        what = "no trainval.txt or test.txt here" if not found else "both trainval.txt and test.txt are here"
        raise DatasetError(what, where=str(path), mend="name the list file itself")
    return found[0]
