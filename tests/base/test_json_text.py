"""JSON that every reader takes."""

from __future__ import annotations

import json
import math

from mobiledeploy.base.json_text import as_json


def test_no_number_escapes_the_standard() -> None:
    assert json.loads(as_json({"a": [math.nan, -math.inf, 1.5]})) == {"a": ["nan", "-inf", 1.5]}
