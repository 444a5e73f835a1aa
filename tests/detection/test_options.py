from dataclasses import fields
from typing import get_type_hints

from leyden.detection.options import DetectorKwargs, DetectorOptions


def test_kwargs_name_the_fields_of_the_options():
    types = get_type_hints(DetectorOptions)
    assert get_type_hints(DetectorKwargs) == {field.name: types[field.name] for field in fields(DetectorOptions)}
