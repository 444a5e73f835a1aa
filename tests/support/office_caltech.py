"""Tasks of Office-Caltech10 for the tests of single techniques."""

from pathlib import Path

from leyden.data.source.rows.mat_folder import MatFolder
from leyden.transfer.domain.adaptation import Adaptation, AdaptedClassifier


def accuracy(dev_data: Path, source: str, target: str, adaptation: Adaptation, **options: object) -> float:
    """Of a nearest neighbour behind an adaptation: all source rows, all target rows, each domain standardised."""
    domains = [MatFolder(str(dev_data / "office_caltech_surf"), name) for name in (source, target)]
    for domain in domains:
        domain.prepare()
    of_source, of_target = (domain.split("test").columns for domain in domains)
    kind, c = options.get("classifier", "nearest"), options.get("c", 1.0)
    net = AdaptedClassifier(10, adaptation, "domain", kind, c)
    net.fit(of_source.rows.double(), of_source.labels, of_target.rows.double())
    return float((net(of_target.rows.double()).argmax(1) == of_target.labels).double().mean())
