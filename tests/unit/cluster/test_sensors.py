"""Temperatures: what each real output must show, and the rules one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.cluster.sensors import Temperatures, parse_sensors


def chips(**given: dict[str, Any]) -> Temperatures:
    """``chips(coretemp={"Package id 0": 50})``: one reading ``temp1_input`` per label."""
    tree = {
        f"{chip}-isa-0000": {"Adapter": "ISA adapter"}
        | {label: {"temp1_input": value} for label, value in one.items()}
        for chip, one in given.items()
    }
    return parse_sensors(json.dumps(tree))


class TestRealOutputs:
    @pytest.fixture
    def read(self, shared_data: Path) -> Any:
        return lambda name: parse_sensors((shared_data / "sensors" / name).read_text())

    def test_every_file_of_the_material_is_named_here(self, shared_data: Path) -> None:
        told = Path(__file__).read_text()
        assert all(path.name in told for path in (shared_data / "sensors").iterdir())

    def test_intel_nuc_meliox_acpitz73_json_takes_the_package_and_not_acpitz(self, read: Any) -> None:
        found = read("intel_nuc_meliox_acpitz73.json")
        assert (found.cpu_c, found.cpu_label) == (58.0, "coretemp-isa-0000 Package id 0")
        assert found.by_label["acpitz-acpi-0 temp1"] == 73.0
        assert len(found.by_label) == 6
        assert found.origin == "sensors-json"

    def test_ryzen_rx580_amdgpu_json_takes_tdie_and_no_fan_voltage_or_power(self, read: Any) -> None:
        found = read("ryzen_rx580_amdgpu.json")
        assert (found.cpu_c, found.cpu_label) == (53.125, "k10temp-pci-00c3 Tdie")
        assert set(found.by_label) == {"k10temp-pci-00c3 Tctl", "k10temp-pci-00c3 Tdie", "amdgpu-pci-2600 edge"}

    def test_lmsensors35_BROKEN_missing_comma_txt_is_mended(self, read: Any) -> None:
        found = read("lmsensors35_BROKEN_missing_comma.txt")
        assert (found.cpu_c, found.cpu_label) == (44.875, "k10temp-pci-00c3 Tctl")
        assert found.by_label["nvme-pci-0100 Composite"] == 38.85

    def test_sensors_plain_text_txt(self, read: Any) -> None:
        found = read("sensors_plain_text.txt")
        assert (found.cpu_c, found.origin) == (44.9, "sensors-text")
        assert found.by_label == {"k10temp-pci-00c3 Tctl": 44.9, "nvme-pci-0100 Composite": 38.9}

    def test_hwmon_dump_no_lmsensors_txt_is_in_millidegrees_and_drops_garbage(self, read: Any) -> None:
        found = read("hwmon_dump_no_lmsensors.txt")
        assert (found.cpu_c, found.cpu_label, found.origin) == (51.54, "cpu_thermal temp1", "hwmon")
        assert found.by_label == {"cpu_thermal temp1": 51.54, "nvme Composite": 41.85}


class TestWhichIsTheCpu:
    def test_of_several_sockets_the_hottest_package(self) -> None:
        assert chips(coretemp={"Package id 0": 40, "Package id 7": 61, "Core 3": 70}).cpu_c == 61

    def test_tdie_before_tctl_which_may_have_an_offset(self) -> None:
        assert chips(k10temp={"Tctl": 80, "Tdie": 53}).cpu_c == 53

    def test_tctl_before_the_dies(self) -> None:
        assert chips(k10temp={"Tctl": 50, "Tccd1": 60}).cpu_c == 50

    def test_else_the_hottest_die(self) -> None:
        assert chips(k10temp={"Tccd1": 48, "Tccd3": 60}).cpu_c == 60

    @pytest.mark.parametrize("label", ["CPU", "CPUTIN"])
    def test_else_the_super_io_chip(self, label: str) -> None:
        assert chips(nct6775={label: 44, "SYSTIN": 60}, acpitz={"temp1": 70}).cpu_c == 44

    def test_else_cpu_thermal(self) -> None:
        assert chips(cpu_thermal={"temp1": 51}, acpitz={"temp1": 70}).cpu_c == 51

    def test_acpitz_is_the_last_resort(self) -> None:
        assert chips(acpitz={"temp1": 16.8}).cpu_c == 16.8

    @pytest.mark.parametrize("chip", ["iwlwifi_1", "pch_cannonlake", "nvme", "drivetemp", "amdgpu"])
    def test_wlan_chipset_and_disks_are_never_the_cpu(self, chip: str) -> None:
        found = parse_sensors(json.dumps({f"{chip}-virtual-0": {"temp1": {"temp1_input": 50.0}}}))
        assert found.cpu_c is None
        assert len(found.by_label) == 1

    def test_cores_that_are_not_contiguous(self) -> None:
        assert chips(coretemp={"Core 0": 40, "Core 4": 47, "Core 28": 44}).cpu_c == 47


class TestValues:
    @pytest.mark.parametrize("value", [0.0, -128.0, -273.15, -200.0, 60000.0, 65261.85])
    def test_placeholders_are_dropped_and_missing_is_not_zero(self, value: float) -> None:
        found = chips(coretemp={"Package id 0": value})
        assert (found.cpu_c, found.by_label, found.origin) == (None, {}, "none")

    def test_a_placeholder_does_not_hide_the_next_best(self) -> None:
        assert chips(k10temp={"Tdie": 0.0, "Tctl": 45}).cpu_c == 45

    def test_below_freezing_is_a_temperature(self) -> None:
        assert chips(nvme={"Composite": -5.5}).by_label == {"nvme-isa-0000 Composite": -5.5}

    def test_an_empty_sensor_is_allowed(self) -> None:
        found = parse_sensors('{"coretemp-isa-0000":{"temp1":{},"Package id 0":{"temp1_input":50}}}')
        assert found.cpu_c == 50

    def test_only_keys_of_temperatures_count(self) -> None:
        text = (
            '{"x-isa-0":{"a":{"fan1_input":900},"b":{"in0_input":1.2},"c":{"power1_input":5},"d":{"temp9_max":90}}}'
        )
        assert parse_sensors(text).by_label == {}

    def test_a_value_that_is_null_or_text_is_missing(self) -> None:
        text = '{"k10temp-pci-0":{"Tctl":{"temp1_input":null},"Tdie":{"temp2_input":"hot"}}}'
        assert parse_sensors(text).cpu_c is None


class TestBrokenJson:
    def test_stderr_mixed_in(self) -> None:
        text = """{
   "k10temp-pci-00c3":{
      "Adapter": "PCI adapter",
ERROR: Can't get value of subfeature temp1_input: Can't read
      "Tctl":{
         "temp1_input": 44.000
      }
   }
}"""
        assert parse_sensors(text).cpu_c == 44

    def test_trailing_and_missing_commas(self) -> None:
        text = '{"k10temp-pci-00c3":{"Tctl":{"temp1_input":44.0,"temp1_max":90.0,}"Tdie":{"temp2_input":43.0},},}'
        assert parse_sensors(text).cpu_c == 43

    def test_a_value_that_was_not_printed(self) -> None:
        text = '{"coretemp-isa-0000":{"Package id 0":{"temp1_input":,"temp1_max":99},"Core 0":{"temp2_input":41}}}'
        assert parse_sensors(text).cpu_c == 41

    def test_text_before_and_after(self) -> None:
        assert parse_sensors('motd\n{"k10temp-pci-0":{"Tctl":{"temp1_input":44}}}\nbye').cpu_c == 44

    def test_half_a_document_gives_what_is_there(self) -> None:
        text = '{"k10temp-pci-00c3":{"Adapter":"PCI adapter","Tctl":{"temp1_input":44.875}},"nvme-pci-0100":{"Adap'
        found = parse_sensors(text)
        assert (found.cpu_c, found.cpu_label) == (44.875, "k10temp-pci-00c3 Tctl")


class TestOtherForms:
    def test_plain_text_of_the_C_locale_and_in_fahrenheit(self) -> None:
        text = (
            "coretemp-isa-0000\nAdapter: ISA adapter\nPackage id 0:  +122.0 F  (high = +212.0 F)\nfan1: 900 RPM\n"
        )
        assert parse_sensors(text).cpu_c == 50.0

    def test_not_available_is_missing(self) -> None:
        assert parse_sensors("nct6775-isa-0290\nCPUTIN:  N/A\n").cpu_c is None

    def test_thermal_zone(self) -> None:
        found = parse_sensors("43000\n")
        assert (found.cpu_c, found.cpu_label, found.origin) == (43.0, "thermal_zone temp1", "thermal-zone")

    def test_two_chips_of_one_kind_in_hwmon_are_two(self) -> None:
        base = "/sys/class/hwmon/hwmon"
        text = f"{base}2/name:nvme\n{base}2/temp1_input:41000\n{base}10/name:nvme\n{base}10/temp1_input:45000\n"
        assert parse_sensors(text).by_label == {"nvme temp1": 41.0, "nvme#2 temp1": 45.0}

    def test_two_sockets_in_hwmon(self) -> None:
        base = "/sys/class/hwmon/hwmon"
        text = "".join(
            f"{base}{n}/name:coretemp\n{base}{n}/temp1_label:Package id {n}\n{base}{n}/temp1_input:{40 + n}000\n"
            for n in (1, 2)
        )
        assert parse_sensors(text).cpu_c == 42

    @pytest.mark.parametrize("text", ["", "\n", "No sensors found!\n", "{}", "{", "[]", "bash: sensors: not found"])
    def test_nothing_is_nothing(self, text: str) -> None:
        found = parse_sensors(text)
        assert (found.cpu_c, found.by_label, found.origin) == (None, {}, "none")

    def test_labels_are_clean(self) -> None:
        found = parse_sensors(json.dumps({"a\x1b[31m-isa-0": {"l\u202eabel": {"temp1_input": 5}}}))
        assert list(found.by_label) == ["a-isa-0 label"]


@given(st.text(alphabet='{}",:-0123456789.tempinu_ \n/hwmoncore°C', max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    parse_sensors(text)


@given(st.integers(0, 400))
def test_no_cut_of_a_real_form_breaks_it(at: int) -> None:
    whole = json.dumps({"coretemp-isa-0000": {"Package id 0": {"temp1_input": 58.0, "temp1_max": 105.0}}} | {
        "acpitz-acpi-0": {"temp1": {"temp1_input": 73.0}}})  # fmt: skip
    assert parse_sensors(whole[:at]).cpu_c in (None, 58.0, 73.0, 5.0)
