"""What makes a command BLACK: one named rule a danger, each a function of the program's name and its arguments.

The name comes without its path and in lower case. Programs of Proxmox' own family take abbreviated verbs
(``qm destr``), as ``ip`` does: of those only the verbs that are listed are let through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Denial:
    """One rule: ``name`` for people, ``denies(program, arguments)`` for one command."""

    name: str
    denies: Callable[[str, Sequence[str]], bool]


def _programs(name: str, programs: str) -> Denial:
    known = frozenset(programs.split())
    return Denial(name, lambda program, args: program in known)


def _verbs(name: str, programs: str, verbs: str) -> Denial:
    """One of the verbs anywhere among the arguments, wherever options put it."""
    these, known = frozenset(programs.split()), frozenset(verbs.split())
    return Denial(name, lambda program, args: program in these and not known.isdisjoint(args))


def _but(name: str, programs: str, verbs: str) -> Denial:
    """Anything but one of the verbs, spelt out, as the first argument; none at all only prints help."""
    these, known = frozenset(programs.split()), frozenset(verbs.split())
    return Denial(name, lambda program, args: program in these and bool(args) and args[0] not in known)


VITAL_UNIT: Final = re.compile(
    r"(corosync.*|pve-cluster|pmxcfs|pve-ha-.*|networking.*|network|systemd-network.*|networkmanager|ifup.*|ssh.*"
    r"|dropbear|dbus.*)(@.*)?(\.(service|socket|target|timer|path))?"
)
_VITAL_PATH: Final = re.compile(
    r"(^|^-[A-Za-z]+|[=:\s])/+(dev/(?!null$|stdout$|stderr$)|boot(/|$)|proc/sys|sys/|var/lib/(pve-cluster|vz|lxc)"
    r"|etc/(pve|corosync|network|ssh|fstab|passwd|shadow|sudoers|crypttab|systemd|cron|ld\.so|pam|hosts|hostname)"
    r"|(etc|usr|var|bin|sbin|lib|lib64|root|home|usr/(bin|sbin|lib))/*$)"
    r"|(^|[/=\s])\.ssh(/|$)|(^|[/=])\.\.(/|$)|(?<!:)/{2}|/\./"
)
_LOOKING: Final = frozenset(["status", "is-active", "is-enabled", "is-failed", "show", "cat", "list-dependencies"])
_PLAIN_OPTIONS: Final = frozenset(["--no-pager", "--full", "-l", "--plain", "--no-legend", "--all", "-a"])
_SERVICE_PROGRAMS: Final = frozenset(
    [
        "systemctl",
        "service",
        "invoke-rc.d",
        "rc-service",
        "update-rc.d",
        "deb-systemd-invoke",
        "sv",
        "s6-rc",
        "initctl",
    ]
)


def _vital_unit(program: str, args: Sequence[str]) -> bool:
    if program not in _SERVICE_PROGRAMS:
        return False
    plain = [arg for arg in args if not arg.startswith("-")]
    looks = plain[:1] and plain[0] in _LOOKING and all(a in _PLAIN_OPTIONS for a in args if a.startswith("-"))
    if (program == "systemctl" and looks) or (program == "service" and plain[1:] == ["status"]):
        return False
    return any(set(arg) & set("*?[") or VITAL_UNIT.fullmatch(arg.casefold()) for arg in plain)


_POWER_VERBS: Final = frozenset(
    [
        "reboot",
        "poweroff",
        "halt",
        "kexec",
        "soft-reboot",
        "suspend",
        "hibernate",
        "hybrid-sleep",
        "sleep",
        "suspend-then-hibernate",
        "rescue",
        "emergency",
        "isolate",
        "exit",
        "default",
        "switch-root",
        "reboot.target",
        "poweroff.target",
        "halt.target",
        "rescue.target",
        "emergency.target",
        "shutdown.target",
        "kexec.target",
        "ctrl-alt-del.target",
        "runlevel0.target",
        "runlevel1.target",
        "runlevel6.target",
        "systemd-reboot.service",
        "systemd-poweroff.service",
        "systemd-halt.service",
        "systemd-kexec.service",
    ]
)


def _power(program: str, args: Sequence[str]) -> bool:
    return program in {"systemctl", "loginctl"} and not _POWER_VERBS.isdisjoint(args)


_WRITERS: Final = frozenset(
    [
        "tee",
        "cp",
        "mv",
        "install",
        "ln",
        "truncate",
        "rsync",
        "sponge",
        "nano",
        "touch",
        "sed",
        "gsed",
        "tar",
        "unzip",
        "cpio",
        "curl",
        "wget",
        "scp",
        "sftp",
        "sort",
        "split",
        "patch",
        "qemu-img",
        "7z",
    ]
)


def _vital_file(program: str, args: Sequence[str]) -> bool:
    return program in _WRITERS and any(_VITAL_PATH.search(arg) for arg in args)


def _empties(program: str, args: Sequence[str]) -> bool:
    """Copying nothing over a file loses it as surely as deleting it; so does moving it into nothing."""
    return program in {"cp", "mv", "install", "ln"} and "/dev/null" in args


def _vacuums(program: str, args: Sequence[str]) -> bool:
    """Long options may be abbreviated."""
    return program == "journalctl" and any(arg.startswith("--va") for arg in args)


def _removes_by_sign(program: str, args: Sequence[str]) -> bool:
    """``apt install x-`` removes x."""
    return program in {"apt", "apt-get", "aptitude"} and any(
        arg.endswith(("-", "_")) and not arg.startswith("-") for arg in args
    )


_IP_OBJECTS: Final = frozenset(["address", "addr", "link", "route", "neigh", "rule", "maddress"])


def _network(program: str, args: Sequence[str]) -> bool:
    """``ip`` and ``bridge`` only show: an object, then nothing or ``show``, all spelt out."""
    if program not in {"ip", "bridge"}:
        return False
    plain = [arg for arg in args if not arg.startswith("-")]
    options = {arg for arg in args if arg.startswith("-")}
    if not options <= {"-br", "-brief", "-4", "-6", "-s", "-j", "-json", "-c", "-d", "-o", "-V"}:
        return True
    if not plain:
        return False
    return plain[0] not in _IP_OBJECTS or (len(plain) > 1 and plain[1] not in {"show", "list", "get"})


def _firewall(program: str, args: Sequence[str]) -> bool:
    if re.fullmatch(r"(ip6?tables|ebtables|arptables)(-legacy|-nft)?", program):
        return any(
            re.match(r"-[A-Za-z]*[FXPDZIANRE]|--(?!list|verbose|numeric|line-numbers|table)", arg) for arg in args
        )
    return program == "nft" and list(args[:1]) != ["list"]


def _kills(program: str, args: Sequence[str]) -> bool:
    if program == "kill":
        return "--" in args or any(re.fullmatch(r"[-+]?0*1|\+?0+", arg) for arg in args)
    return program in {"pkill", "killall", "killall5", "skill", "slay", "xkill"}


def _makes_file_system(program: str, args: Sequence[str]) -> bool:
    known = (
        r"(mkfs|fsck|mount|umount)(\.[a-z0-9]+)?|mke2fs|mkswap|mkdosfs|mkntfs|newfs.*"
        r"|e2fsck|xfs_\w+|tune2fs|resize2fs"
    )
    return re.fullmatch(known, program) is not None


def _find(program: str, args: Sequence[str]) -> bool:
    return program in {"find", "fd", "fdfind"} and any(a.startswith(("-delete", "-fprint", "-fls")) for a in args)


def _copies(program: str, args: Sequence[str]) -> bool:
    return program == "rsync" and any(a.startswith(("--del", "--remove-s")) for a in args)


DENIALS: Final = (
    _programs("deletes files", "rm rmdir unlink shred srm wipe trash truncate fallocate tmpreaper tmpwatch"),
    _programs("writes raw devices", "dd dcfldd ddrescue blkdiscard hdparm nvme sg_format badblocks partclone"),
    Denial("empties a file", _empties),
    Denial("deletes the journal", _vacuums),
    _verbs("throws away work", "git", "clean reset rm"),
    Denial("makes or mends a file system", _makes_file_system),
    _but("changes a Btrfs", "btrfs", "help version"),
    _programs(
        "changes partitions or the boot",
        "wipefs fdisk sfdisk cfdisk gdisk sgdisk cgdisk parted partprobe cryptsetup proxmox-boot-tool grub-install"
        " efibootmgr bcache kpartx grub-reboot grub-set-default grub2-install bootctl",
    ),
    _but(
        "changes or destroys a VM", "qm",
        "list status config pending listsnapshot showcmd help start shutdown stop reboot reset resume suspend"
        " snapshot guest",
    ),
    _but(
        "changes or destroys a container", "pct",
        "list status config pending listsnapshot help start shutdown stop reboot resume suspend snapshot exec df",
    ),
    _programs("restores over a guest", "qmrestore vzrestore vzdump"),
    _but("changes the cluster", "pvecm", "status nodes help"),
    _but("changes high availability", "ha-manager", "status config help"),
    _but("changes replication", "pvesr", "status list help"),
    _but("writes by the API", "pvesh", "get ls usage help"),
    _but("frees or removes a storage", "pvesm", "status list path help"),
    _programs(
        "changes Proxmox itself", "pveum pvenode pveupgrade pveceph pvesubscription pve-firewall pvefw-logger"
    ),
    _programs(
        "changes the cluster's file system",
        "pmxcfs corosync corosync-cfgtool corosync-quorumtool corosync-cmapctl corosync-keygen",
    ),
    _but("changes a ZFS data set", "zfs", "list get holds help version"),
    _but("changes a ZFS pool", "zpool", "list status iostat get history events version"),
    _programs(
        "changes volumes",
        "lvremove vgremove pvremove lvreduce vgreduce pvcreate vgcreate lvconvert vgcfgrestore dmsetup mdadm lvm"
        " lvresize vgrename lvrename vgexport thin_repair",
    ),
    _verbs(
        "destroys Ceph", "ceph rbd rados ceph-volume cephadm",
        "rm destroy purge delete remove zap purge-data mkpool out stop set crush",
    ),
    _but("destroys backups", "proxmox-backup-client", "list snapshots catalog status version help"),
    _programs("destroys backups", "proxmox-backup-manager"),
    _verbs(
        "destroys copies", "restic borg rclone",
        "forget prune delete purge sync move cleanup deletefile rmdirs compact",
    ),
    _programs(
        "takes the node down",
        "reboot shutdown halt poweroff init telinit kexec rtcwake pm-suspend pm-hibernate ipmitool ipmipower"
        " ipmi-chassis bmc-device racadm",
    ),
    Denial("takes the node down", _power),
    Denial("acts on a vital service", _vital_unit),
    _programs(
        "cuts the network", "ifdown ifup ifreload ifconfig nmcli brctl ovs-vsctl tc netplan route ethtool iw"
        " dhclient dhcpcd networkctl wg-quick rfkill ifenslave ipset conntrack"
    ),
    Denial("cuts the network", _network),
    Denial("changes the firewall", _firewall),
    _programs("changes the firewall", "ufw firewall-cmd iptables-restore ip6tables-restore"),
    _programs(
        "changes accounts",
        "passwd chpasswd useradd userdel usermod groupdel visudo deluser adduser vipw chsh ssh-keygen ssh-copy-id"
        " gpasswd chage addgroup delgroup groupadd groupmod newusers vigr sudoedit",
    ),
    _programs("changes rights", "chown chmod chattr setfacl chgrp"),
    _verbs(
        "removes packages", "apt apt-get aptitude dpkg",
        "remove purge autoremove autopurge -r -P --remove --purge --force-all --auto-remove --autoremove",
    ),
    Denial("removes packages by a sign", _removes_by_sign),
    _programs("acts on the kernel", "sysctl modprobe rmmod insmod depmod update-grub update-initramfs"),
    _programs("changes mounts", "swapoff swapon losetup fuser pivot_root chroot unshare nsenter zfs-mount"),
    _programs("changes what runs later", "crontab at batch systemd-tmpfiles systemd-run"),
    Denial("kills processes", _kills),
    Denial("deletes what it finds", _find),
    Denial("deletes while it copies", _copies),
    Denial("writes a vital file", _vital_file),
    _programs(
        "changes containers past Proxmox",
        "lxc-destroy lxc-stop lxc-execute lxc-copy lxc-snapshot lxc-freeze",
    ),
    _verbs(
        "destroys what a cluster of containers runs", "kubectl crictl ctr nomad", "delete drain exec rm rmi run"
    ),
    _verbs("asks the system bus", "busctl", "call set-property emit"),
    _programs("asks the system bus", "dbus-send gdbus"),
    _verbs(
        "destroys containers", "docker podman nerdctl docker-compose",
        "rm rmi remove prune down kill run exec reset create",
    ),
)  # fmt: skip


def denial(words: Sequence[str]) -> str:
    """Why one command is BLACK, or empty."""
    path, args = words[0], words[1:]
    program = path.rpartition("/")[2].casefold()
    if re.search(r"/(rc|init)[^/]*\.d/", path) and VITAL_UNIT.fullmatch(re.sub(r"^[sk]\d\d", "", program)):
        return "acts on a vital service"
    return next((rule.name for rule in DENIALS if rule.denies(program, args)), "")
