import re
import xml.etree.ElementTree as ET
from base64 import b64decode

from pesx.analysis.audit.page import page, write_page


def test_the_page_says_what_the_audit_found(dipeptides):
    text = page(dipeptides)
    assert "C6H12N2O2" in text
    assert "1e+06 K" in text
    assert "hydrogen lost" in text
    assert "bond deviation 0.24 ps" in text
    assert text.count("<tr>") == 1 + 2 + 1 + 1 + 1 + 3  # three tables with their headers
    for name in ("a.dcd", "b.dcd", "c.dcd"):
        assert name in text


def test_figures_are_inside_and_nothing_is_fetched(dipeptides):
    text = page(dipeptides)
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert len(found) == 5
    for source in found:
        assert ET.fromstring(b64decode(source)).tag.endswith("svg")
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_names_cannot_break_the_page(dipeptides, tmp_path):
    member = dipeptides.groups[0].members[0]
    before = member.path
    object.__setattr__(member, "path", tmp_path / "<b>&.dcd")
    try:
        assert "&lt;b&gt;&amp;.dcd" in page(dipeptides)
    finally:
        object.__setattr__(member, "path", before)


def test_the_same_audit_gives_the_same_file(dipeptides, tmp_path):
    one, other = (write_page(dipeptides, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == other
