"""Commands on nodes: parsing, the exact forms, and each deny rule with what it denies and what it lets through."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_daemon.cluster.argv_denials import DENIALS
from jarvis_daemon.cluster.argv_rules import HARMLESS, denied, judge, parse
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Tier

EXAMPLES: dict[str, tuple[list[str], list[str]]] = {
    "deletes files": (["rm -rf /", "rm x", "rmdir x", "unlink x", "shred -u x"], ["ls rm", "stat rm.txt", "rma x"]),
    "writes raw devices": (["dd if=/dev/zero of=/dev/sda", "blkdiscard /dev/sda"], ["ddate", "lsblk -o NAME"]),
    "empties a file": (["cp /dev/null /srv/x", "mv /srv/x /dev/null"], ["cp a b", "diff x /dev/null"]),
    "deletes the journal": (["journalctl --vacuum-size=1", "journalctl --vac-time=1"], ["journalctl -n 5 -u x"]),
    "throws away work": (["git clean -fdx", "git -C /x reset --hard"], ["git status", "git -C /x pull"]),
    "changes a Btrfs": (["btrfs subvolume delete /x", "btrfs sub del /x"], ["btrfs version"]),
    "destroys copies": (
        ["restic forget x", "borg prune x", "rclone sync a b"],
        ["restic snapshots", "rclone ls a"],
    ),
    "removes packages by a sign": (
        ["apt-get install corosync-", "apt install -y pve-manager-"],
        ["apt-get install htop", "apt install -y parted", "apt-get install -y screen"],
    ),
    "changes containers past Proxmox": (["lxc-destroy -n 101", "lxc-stop -n 101"], ["lxc-info -n 101"]),
    "destroys what a cluster of containers runs": (["kubectl delete pod x", "crictl rm x"], ["kubectl get pods"]),
    "asks the system bus": (["busctl call a b c Reboot", "dbus-send --system x"], ["busctl list"]),
    "makes or mends a file system": (
        ["mkfs /dev/sda", "mkfs.ext4 /dev/sda", "mkswap x", "umount /mnt", "mount -a", "mount.nfs a b"],
        ["findmnt", "mkfsx", "mountpoint /mnt"],
    ),
    "changes partitions or the boot": (["wipefs -a /dev/sda", "sgdisk -Z /dev/sda", "parted -l"], ["lsblk -f"]),
    "changes or destroys a VM": (
        ["qm destroy 100", "qm destr 100", "qm unlink 100", "qm set 100 --delete scsi0", "qm rollback 100 a"],
        ["qm list", "qm start 100", "qm config 100", "qm status 104"],
    ),
    "changes or destroys a container": (
        ["pct destroy 101", "pct dest 101 --purge", "pct rollback 101 a", "pct template 101"],
        ["pct list", "pct start 101", "pct config 101"],
    ),
    "restores over a guest": (["qmrestore a 100 --force", "vzdump 100 --remove 1"], ["qm listsnapshot 100"]),
    "changes the cluster": (["pvecm delnode pve", "pvecm expected 1", "pvecm del pve"], ["pvecm status"]),
    "changes high availability": (["ha-manager remove vm:100", "ha-manager crm-command x"], ["ha-manager status"]),
    "changes replication": (["pvesr delete 100-0"], ["pvesr status"]),
    "writes by the API": (["pvesh delete /nodes/pve/qemu/100", "pvesh create /x"], ["pvesh get /version"]),
    "frees or removes a storage": (["pvesm free local:iso/x", "pvesm remove nas"], ["pvesm status"]),
    "changes Proxmox itself": (["pveum user delete x", "pvenode stopall"], ["pveversion -v", "pveperf"]),
    "changes the cluster's file system": (["pmxcfs -l", "corosync-cfgtool -R"], ["pvecm nodes"]),
    "changes a ZFS data set": (
        ["zfs destroy tank/x", "zfs rollback a@b", "zfs set x=y a"],
        ["zfs list", "zfs get all"],
    ),
    "changes a ZFS pool": (
        ["zpool destroy tank", "zpool export tank", "zpool labelclear x"],
        ["zpool status", "zpool"],
    ),
    "changes volumes": (
        ["lvremove pve/x", "vgremove -f pve", "lvm lvremove x", "dmsetup remove x"],
        ["lvs", "vgs -a"],
    ),
    "destroys Ceph": (["ceph osd purge 1", "rbd rm a/b"], ["ceph status", "ceph osd tree"]),
    "destroys backups": (
        ["proxmox-backup-client forget x", "proxmox-backup-manager datastore remove x"],
        ["proxmox-backup-client snapshots"],
    ),
    "takes the node down": (
        [
            "reboot",
            "reboot -f",
            "shutdown -h now",
            "poweroff",
            "init 0",
            "systemctl reboot",
            "systemctl -q poweroff",
            "systemctl isolate rescue.target",
            "telinit 6",
            "systemctl start reboot.target",
        ],
        ["who -b", "last reboot", "systemctl list-timers"],
    ),
    "acts on a vital service": (
        [
            "systemctl restart corosync",
            "systemctl stop pve-cluster.service",
            "service ssh stop",
            "systemctl stop 'ss*'",
            "systemctl --now disable sshd.socket",
            "systemctl restart pve-ha-lrm",
            "systemctl -H status restart corosync",
            "/etc/init.d/networking restart",
            "systemctl restart networking",
        ],
        ["systemctl restart smbd", "systemctl status corosync", "systemctl is-active ssh", "service ssh status"],
    ),
    "cuts the network": (
        [
            "ip link set eth0 down",
            "ip l s eth0 down",
            "ip a d 10.0.0.1/8 dev eth0",
            "ip -n x link show",
            "ifdown -a",
            "ip route del default",
            "ip netns exec x rm",
            "nmcli networking off",
            "ip a flush eth0",
        ],
        ["ip link show", "ip -br address", "ip route", "ping -c 1 10.0.0.1"],
    ),
    "changes the firewall": (
        [
            "iptables -F",
            "iptables -t nat -F",
            "iptables -P INPUT DROP",
            "nft flush ruleset",
            "ip6tables --flush",
            "ufw disable",
            "iptables-nft -A INPUT -j DROP",
        ],
        ["iptables -L -n", "nft list ruleset", "iptables -nvL"],
    ),
    "changes accounts": (["passwd root", "userdel john", "visudo"], ["id john", "getent passwd"]),
    "changes rights": (["chmod -R 777 /", "chown -R x /", "chattr +i x"], ["ls -l", "lsattr x", "getfacl x"]),
    "removes packages": (
        ["apt purge x", "apt-get -y remove pve-manager", "dpkg -P x", "apt autoremove"],
        ["apt list --upgradable", "dpkg -l", "apt-get update"],
    ),
    "acts on the kernel": (["sysctl -w x=1", "modprobe -r x", "rmmod x"], ["lsmod", "uname -r"]),
    "changes mounts": (["swapoff -a", "losetup -d x"], ["swapon.txt", "findmnt --json"]),
    "changes what runs later": (["crontab -r", "at now"], ["systemctl list-timers", "atq"]),
    "kills processes": (["killall -9 x", "pkill ssh", "kill -9 1", "kill -9 -1"], ["pgrep ssh", "kill -0 4711"]),
    "deletes what it finds": (["find / -delete", "find /x -name y -delete"], ["find /x -name y"]),
    "deletes while it copies": (["rsync -a --delete a b", "rsync --remove-source-files a b"], ["rsync -a a b"]),
    "writes a vital file": (
        [
            "cp x /etc/pve/corosync.conf",
            "tee /dev/sda",
            "mv x /boot/y",
            "sed -i s/a/b/ /etc/network/interfaces",
            "cp x //etc/pve/y",
            "cp x /tmp/../etc/pve/x",
            "tee -a /home/me/.ssh/authorized_keys",
        ],
        ["cp a /tmp/b", "tee /dev/null", "sed -n 1p /tmp/x"],
    ),
    "destroys containers": (
        ["docker rm -f x", "docker system prune -a", "podman exec x sh"],
        ["docker ps", "docker logs x"],
    ),
}

CARRIERS = (
    "sudo {}",
    "sudo -n -u root {}",
    "env {}",
    "env -i A=b {}",
    "/usr/bin/env {}",
    "nohup {}",
    "nice -n 19 {}",
    "timeout 5 {}",
    "timeout -s KILL 5 {}",
    "busybox {}",
    "/bin/busybox {}",
    "xargs {}",
    "setsid -w {}",
    "A=b {}",
    "stdbuf -oL {}",
    "find /x -exec {} +",
    "ssh other {}",
    "ssh -p 22 root@other {}",
    "pct exec 100 -- {}",
    "watch {}",
    "qm guest exec 100 -- {}",
    "doas {}",
    "exec {}",
    "command {}",
    "ionice -c 3 {}",
    "flock /tmp/x {}",
    "chroot /x {}",
)
TEXTS = (
    "sh -c {}",
    "bash -lc {}",
    "bash -x -c {}",
    "/bin/sh -ec {}",
    "su -c {}",
    "su - root -c {}",
    "ssh other {}",
    "env -S {}",
    "env --split-string={}",
    "script -c {}",
    "watch {}",
    "flock /x -c {}",
    "eval {}",
    "busybox sh -c {}",
)
AROUND = (
    "{}",
    "true; {}",
    "true && {}",
    "true | {}",
    "( {} )",
    "if true; then {}; fi",
    "FOO=bar {}",
    "! {}",
    "{} &",
)

POSITIVES = [(name, text) for name, (yes, _) in EXAMPLES.items() for text in yes]
NEGATIVES = [(name, text) for name, (_, no) in EXAMPLES.items() for text in no]


def test_every_rule_has_its_examples() -> None:
    assert {rule.name for rule in DENIALS} == set(EXAMPLES)
    for rule in DENIALS:
        hits = [text for text in EXAMPLES[rule.name][0] if _denies(rule, text)]
        assert hits or rule.name == "acts on a vital service", f"no example of {rule.name} needs this rule"


def _denies(rule: object, text: str) -> bool:
    words = shlex.split(text)
    return bool(rule.denies(words[0].rpartition("/")[2], words[1:]))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "text"), POSITIVES)
def test_a_rule_denies(name: str, text: str) -> None:
    judged = judge(shlex.split(text))
    assert (judged.tier, judged.why) == (Tier.BLACK, name)


@pytest.mark.parametrize(("name", "text"), NEGATIVES)
def test_a_rule_lets_through(name: str, text: str) -> None:
    assert denied(shlex.split(text)) == ""


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(POSITIVES),
    st.lists(st.sampled_from(CARRIERS), max_size=3),
    st.sampled_from(("", *TEXTS)),
    st.sampled_from(AROUND),
    st.sampled_from(("", "/usr/sbin/", "/bin/", "./")),
)
def test_nothing_that_carries_a_command_hides_it(
    positive: tuple[str, str], carriers: list[str], text: str, around: str, folder: str
) -> None:
    """Whatever stands before and around it, what destroys is BLACK; by its own rule, or since it cannot be told."""
    command = positive[1] if positive[1].startswith("/") else folder + positive[1]
    if text:
        command = text.replace("{}", shlex.quote(around.replace("{}", command)))
    for carrier in carriers:
        command = carrier.replace("{}", command)
    assert judge(shlex.split(command)).tier is Tier.BLACK, command


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(POSITIVES), st.randoms())
def test_upper_case_paths_and_quotes_change_nothing(positive: tuple[str, str], random: object) -> None:
    words = shlex.split(positive[1])
    if not words[0].startswith("/"):
        words[0] = "/usr/local/sbin/" + words[0]
    quoted = " ".join("'" + "''".join(word) + "'" if "'" not in word else shlex.quote(word) for word in words)
    assert judge(parse(quoted)).tier is Tier.BLACK


@pytest.mark.parametrize(
    "command",
    [
        "python3 -c 'import os'",
        "perl x.pl",
        "bash script.sh",
        "sh",
        "awk 'BEGIN{system(\"x\")}'",
        "sh -c 'r$X -rf /'",
        "sh -c 'r\\m x'",
        "sh -c '$(echo rm) x'",
        "sh -c 'cat x > /etc/fstab'",
        "sh -c 'echo `x`'",
        "bash -c 'r?m'",
        "sh -c",
        "env -S 'sh x'",
        "su -creboot",
        "sudo -s reboot",
        "vim x",
        'sh -c "a#b; rm x"',
        "tmux new x",
        " ".join(["env"] * 90) + " rm x",
        "sh -c 'sh -c \"sh -c reboot\"'",
        "busybox reboot",
        "PATH=/x rm y",
        "env '-vSrm -rf /'",
        "ssh -o 'ProxyCommand=rm -rf /' x",
        "ssh '-oProxyCommand=rm -rf /' x",
        "git -c 'core.pager=rm -rf /' log",
        "git -c 'alias.x=!rm -rf /x' x",
        "tar cf x y --checkpoint=1 '--checkpoint-action=exec=rm -rf /x'",
        "tar xf x.tar --to-command=reboot",
        "tar -I reboot -cf a b",
        "rsync -e 'sh -c reboot' a b:",
        "apt-get -o 'DPkg::Pre-Invoke::=rm -rf /x' update",
        "split --filter=reboot x",
        "tcpdump -z reboot",
        "man -P 'rm -rf /x' ls",
        "less '+!reboot' x",
        "sed '1e rm -rf /' x",
        "sed 's/a/rm x/e' x",
        "sed -n '/x/w /etc/passwd' y",
        "/lib64/ld-linux-x86-64.so.2 /bin/rm -rf /x",
        "perl5.36-x86_64-linux-gnu -e x",
        "vim.tiny -c x",
        "ksh93 -c reboot",
        "mysql -e 'drop database x'",
        "cp x -t/etc/pve",
        "cp x ../etc/ssh/sshd_config",
        "tee .ssh/authorized_keys",
        "mv /etc /etc2",
        "curl -o /etc/ssh/sshd_config http://x/",
        "wget -O/etc/passwd http://x/",
        "truncate -s 0 /srv/x",
        "systemctl start ctrl-alt-del.target",
        "systemctl start runlevel6.target",
        "docker volume remove x",
        "kill -9 -01",
        "trap 'rm -rf /x' EXIT",
        "let 'a[$(reboot)]'",
        "test -v 'a[$(reboot)]'",
        "builtin printf -v 'a[`reboot`]' x",
        "compgen -C reboot",
        "jobs -x reboot",
        "hash -p /bin/rm ls",
    ],
)
def test_what_hides_or_smuggles_is_black(command: str) -> None:
    assert judge(shlex.split(command)).tier is Tier.BLACK


@pytest.mark.parametrize(
    "command",
    [
        "git log --format=%h",
        "tar czf /srv/x.tgz /srv/x",
        "rsync -avz /srv/x nas:/srv/x",
        "curl -s http://localhost:9090/x",
        "wget -O /tmp/x https://example.org/y",
        "sed -i 's/old/new/g' /srv/x",
        "sed 's/here/there/' x",
        "docker restart x",
        "kill -9 4711",
        "sort -k 2 x",
        "make --version",
        "test -e /srv/x",
        "printf %s x",
    ],
)
def test_everyday_work_is_red(command: str) -> None:
    assert judge(shlex.split(command)).tier is Tier.RED


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HARMLESS), st.text(min_size=1, max_size=12), st.integers(0, 6))
def test_only_the_exact_form_is_yellow(form: tuple[str, ...], extra: str, at: int) -> None:
    """One argument more, anywhere, and it is YELLOW no longer (unless it is a listed form again)."""
    words = [{"<[1": "104", "</d": "/dev/sda", "<[A": "smbd"}.get(word[:3], word) for word in form]
    assert judge(words).tier is Tier.YELLOW
    longer = [*words[:at], extra, *words[at:]]
    known = {tuple(f) for f in HARMLESS}
    assert judge(longer).tier is not Tier.YELLOW or tuple(longer) in known or "systemctl" in longer
    assert judge([words[0] + "x", *words[1:]]).tier is not Tier.YELLOW
    assert judge(["/tmp/" + words[0], *words[1:]]).tier is not Tier.YELLOW


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=12))
def test_any_arguments_are_judged_and_none_raises(argv: list[str]) -> None:
    assert judge(argv).tier in {Tier.YELLOW, Tier.RED, Tier.BLACK}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=15), min_size=1, max_size=8
    )
)
def test_what_is_quoted_comes_out_as_it_went_in(argv: list[str]) -> None:
    if argv[0] and not argv[0].startswith("-"):
        assert parse(shlex.join(argv)) == tuple(argv)


@pytest.mark.parametrize(
    "command",
    [
        "",
        " ",
        "ls; rm x",
        "ls && rm x",
        "ls | tee x",
        "cat < x",
        "echo $HOME",
        "echo `x`",
        "ls *",
        "echo 'x",
        "a\nb",
        "ls \x1b[31m",
        'echo "$(x)"',
        "ls ~",
        "-rf /",
        "x &",
        "ls {a,b}",
        "'' x",
        "x #y",
        "echo " + "x " * 101,
    ],
)
def test_what_only_a_shell_could_mean_is_refused(command: str) -> None:
    with pytest.raises(JarvisError) as caught:
        parse(command)
    assert caught.value.code == "invalid_params"
