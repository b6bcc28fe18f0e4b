"""Which landmark is what: rows of FaceMesh indices.

Left and right are the picture's, not the person's. Every row runs from left to right, every
pair of rows (upper, lower) has its points one above the other.
"""

from typing import Final

LANDMARKS: Final = 468

FOREHEAD: Final = 10
CHIN: Final = 152
LEFT_EYE_OUTER: Final = 33
RIGHT_EYE_OUTER: Final = 263

# fmt: off
OVAL: Final = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378,
               400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54,
               103, 67, 109)
"""The outline of the face, clockwise from the top of the forehead."""

UPPER_LIP: Final = ((61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
                    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
                    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
                    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308))
"""Rows of the upper lip, from its outer edge to its inner one, corners included."""

LOWER_LIP: Final = ((61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
                    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
                    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
                    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308))
"""Rows of the lower lip, from its outer edge to its inner one, corners included."""

LEFT_EYE: Final = ((33, 246, 161, 160, 159, 158, 157, 173, 133),
                   (33, 7, 163, 144, 145, 153, 154, 155, 133))
RIGHT_EYE: Final = ((362, 398, 384, 385, 386, 387, 388, 466, 263),
                    (362, 382, 381, 380, 374, 373, 390, 249, 263))
EYES: Final = (LEFT_EYE, RIGHT_EYE)
"""(upper lid, lower lid) of each eye, corners included."""

LEFT_BROW: Final = ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55))
RIGHT_BROW: Final = ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276))
BROWS: Final = (LEFT_BROW, RIGHT_BROW)
"""(upper edge, lower edge) of each brow."""
# fmt: on
