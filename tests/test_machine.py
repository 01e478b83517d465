from kfer.machine import machine


def test_the_machine_tells_its_cores():
    assert machine().endswith(" cores")
