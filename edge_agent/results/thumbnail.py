"""The small picture that goes with a result over MQTT."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.results.drawing import (
    VERDICT_COLOURS,
    View,
    draw_components,
    draw_heat,
    inspected_box,
    shorten,
    text_width,
    write,
)

JPEG_QUALITY = 80
SMALLEST_PX = 160  # below, the verdict could not be read


def render_thumbnail(
    image: NDArray[np.uint8], inspection: Inspection, width_px: int = 640, *, heat: bool = False
) -> bytes:
    """What was inspected with boxes and lengths, and a band that says the verdict and why; JPEG.

    Args:
        image: BGR uint8 [H, W, 3], the full frame; not written into.
        width_px: at most so wide; the picture above the band is at most as high.
        heat: the score map lies over the picture, if there is one.
    """
    width_px = max(width_px, SMALLEST_PX)
    text_height = max(8, width_px // 48)
    view = View.fit(inspected_box(inspection, image), width_px, width_px)
    scores = inspection.score_map if heat else None
    picture = view.of(image) if scores is None else draw_heat(image, scores, view)
    draw_components(picture, view, inspection.components, text_height)
    framed = cv2.copyMakeBorder(picture, 0, 3 * text_height, 0, max(0, SMALLEST_PX - picture.shape[1]), 0)
    _band(np.asarray(framed, np.uint8), inspection, picture.shape[0], text_height)
    done, content = cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ImageError("the thumbnail cannot be written as JPEG")
    return bytes(content.tobytes())


def _band(picture: NDArray[np.uint8], inspection: Inspection, top: int, text_height: int) -> None:
    verdict = inspection.verdict.value
    picture[top:] = VERDICT_COLOURS[inspection.verdict]
    big = text_height * 5 // 4
    left = text_height
    write(picture, verdict, left, top + (3 * text_height - big) // 2, big, bold=True)
    left += text_width(verdict, big, bold=True) + text_height
    why = "; ".join(reason.text for reason in inspection.reasons)
    if inspection.verdict is Verdict.OK and inspection.components:
        why = "nothing above the limit"
    why = shorten(why, picture.shape[1] - left - text_height, text_height)
    write(picture, why, left, top + text_height, text_height)
