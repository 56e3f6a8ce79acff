"""Root on one node gets to nothing of another node's, nor of the master's, with file handles that it made up."""

import hashlib

from basic import settle
from cluster import LOWER, MACHINES, MASTER

# The handle of the file $1 as its own file system makes it, in digits of 16: kind, number and so on.
HANDLE = r"""
my ($path) = @ARGV;
my ($handle, $mount) = (pack("Li", 128, 0) . "\0" x 128, pack("i", 0));
syscall(303, -100, $path, $handle, $mount, 0) == 0 or die "$path: $!";
printf "%02x%s", unpack("L", substr($handle, 4, 4)), unpack("H*", substr($handle, 8, unpack("L", $handle)));
"""
# Opens a file of the mount $1 by the handle of its file $2, and in that the digits of $3 for the export (kind and number),
# and those of $4 for the file (kind, number and so on), as far as they are given. Tells what is in the file; with $5 that is
# written there. The handle of a client has three words of its own, then that of the server with its length before it.
GRAFT = r"""
my ($root, $path, $export, $file, $write) = @ARGV;
my ($handle, $mount) = (pack("Li", 128, 0) . "\0" x 128, pack("i", 0));
syscall(303, -100, $path, $handle, $mount, 0) == 0 or die "$path: $!";
my ($own, $size) = (substr($handle, 8, 12), unpack("S", substr($handle, 20, 2)));
my $server = substr($handle, 22, $size);
my $length = (8, 4, 12, 8, 8, 8, 16, 24)[ord substr($server, 2, 1)];
$export = $export ne "" ? pack("H*", $export) : substr($server, 2, 1) . substr($server, 4, $length);
$file = $file ne "" ? pack("H*", $file) : substr($server, 3, 1) . substr($server, 4 + $length);
$server = substr($server, 0, 2) . substr($export, 0, 1) . substr($file, 0, 1) . substr($export, 1) . substr($file, 1);
my $made = $own . pack("S", length $server) . $server;
$made .= "\0" while length($made) % 4;
$made = pack("Li", length $made, length($made) / 4) . $made;
open(my $dir, "<", $root) or die "$root: $!";
my $fd = syscall(304, fileno $dir, $made, $write ne "" ? 2 : 0);
$fd >= 0 or do { print "refused: $!"; exit };
open(my $there, $write ne "" ? "+<&=" : "<&=", $fd) or die "$fd: $!";
defined sysread($there, my $text, 99) or do { print "refused: $!"; exit };
print $text;
if ($write ne "") { sysseek($there, 0, 0); syswrite($there, $write) or print "refused: $!"; }
"""
# Asks the boot server for the file $2 (1) or to take one (2); 3 is its first part, 5 that it will not.
TFTP = r"""
use Socket;
my ($what, $path) = @ARGV;
socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die $!;
send($socket, pack("n", $what) . "$path\0octet\0", 0, sockaddr_in(69, inet_aton("MASTER"))) or die $!;
alarm 20;
recv($socket, my $answer, 600, 0) // die $!;
print unpack("n", $answer);
""".replace("MASTER", MASTER)
# Sends the bytes $4, in digits of 16, from the port $3 to the port $2 of the address $1, and waits for an answer.
ASK = r"""
use Socket;
my ($address, $port, $own, $bytes) = @ARGV;
socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die $!;
setsockopt($socket, SOL_SOCKET, SO_BROADCAST, 1) or die $!;
bind($socket, sockaddr_in($own, INADDR_ANY)) or die $!;
send($socket, pack("H*", $bytes), 0, sockaddr_in($port, inet_aton($address))) or die $!;
$SIG{ALRM} = sub { print "nothing"; exit };
alarm 10;
recv($socket, my $answer, 1500, 0) // die $!;
print "an answer";
"""
# RFC 1350: the first file of every boot. RFC 1035: the address of the master. RFC 2131 and the PXE specification: who
# boots me? With a card that nobody has.
QUESTIONS = {
    "TFTP": (69, 0, "0001" + b"pxelinux.cfg/default\0octet\0".hex()),
    "DNS": (53, 0, "123401000001000000000000" + "06" + b"master".hex() + "07" + b"cluster".hex() + "0000010001"),
    "DHCP": (67, 68, "01010600" + "00001234" + "00008000" + "0" * 32 + "5254009999990000" + "0" * 16 + "0" * 384
             + "63825363" + "350101" + "3c09" + b"PXEClient".hex() + "5d020000" + "ff"),
}
# A network that the master has besides the cluster's, and a stranger in it.
OUTSIDE, STRANGER = "10.99.0.1", "10.99.0.2"
SECOND_CARD = f"""
ip netns add stranger && ip link add outside type veth peer name eth9 netns stranger &&
ip addr add {OUTSIDE}/24 dev outside && ip link set outside up && ip -n stranger link set eth9 up &&
ip -n stranger addr add {STRANGER}/24 dev eth9 && ip -n stranger route add default via {OUTSIDE}
"""
AT = "/run/rig/attack"


def perl(node, program, *arguments):
    """What a program says, run with arguments."""
    words = " ".join(f"'{word}'" for word in arguments)
    script = f"cat >/run/rig/attack.pl <<'EOF'\n{program}\nEOF\nperl /run/rig/attack.pl {words}"
    return node.sh(script, 120, check=False)[1].strip()


def mounted(node, path, options="ro"):
    """What is seen of a path of the master once it is mounted; nothing when that fails."""
    script = f"exec 2>/dev/null; umount -lf {AT}; mkdir -p {AT}; mount -t nfs4 -o {options} {MASTER}:{path} {AT} && ls -A {AT}"
    return node.sh(script, 120, check=False)[1].split()


def stranger(report, master):
    """Whoever is on another network of the master gets no answer there."""
    master.sh(SECOND_CARD)
    try:
        def ask(where, to, question):
            port, own, what = QUESTIONS[question]
            arguments = f"{to} {port} {own} {what}"
            return master.sh(f"cat >/run/rig/ask.pl <<'EOF'\n{ASK}\nEOF\n{where} perl /run/rig/ask.pl {arguments}", 60).strip()

        report.equal("master: the boot server answers itself", ask("", MASTER, "TFTP"), "an answer")
        for question in QUESTIONS:
            to = "255.255.255.255" if question == "DHCP" else OUTSIDE
            found = ask("ip netns exec stranger", to, question)
            report.equal(f"a stranger on the master's other network: {question}", found, "nothing")
        look = f"mkdir -p {AT}; mount -t nfs4 -o ro,soft,timeo=50,retrans=1 {OUTSIDE}:/ {AT} && find {AT} -type f | head -n 1"
        found = master.sh(f"ip netns exec stranger sh -c '{look}' 2>/dev/null; true", 120).strip()
        report.equal("a stranger on the master's other network: NFS", found, "")
    finally:
        master.sh("ip link del outside; ip netns del stranger; true")


def taken(report, cluster, one, two):
    """Nodes are known by their addresses: whoever has another's gets what is laid on it. docs/security.md says so."""
    path, address = f"/node/{two.boot_mac}", MACHINES["n2"]["address"]
    report.equal("n1: with the card's number of n2 and its own address it sees nothing", mounted(one, path), [])
    cluster.down("n2")
    card = one.sh(f"ip -o route get {MASTER} | sed 's/.* dev \\([^ ]*\\).*/\\1/'").strip()
    # Another version has a connection of its own.
    options = "ro,vers=4.1"
    one.sh(f"ip addr add {address}/32 dev {card}")
    report.equal("n1: with both addresses its first one counts", mounted(one, path, options), [])
    one.sh(f"umount -lf {AT}; ip route add {MASTER}/32 dev {card} src {address}")
    found = mounted(one, path, options)
    report.check("n1: what does not hold: with the address of n2, which is off, it reads what is n2's", "own" in found, found)
    one.sh(f"umount -lf {AT}; ip route del {MASTER}/32; ip addr del {address}/32 dev {card}; true")


def guesses(file, folder, shown):
    """A file's number alone, and with a folder that it is said to lie in: its own, and one that is exported."""
    return {"alone": file, "in its folder": within(file, folder), "in a folder that is exported": within(file, shown)}


def within(file, folder):
    """The handle of a file that is said to lie in a folder."""
    kind = int(file[:2], 16)
    if file.startswith("4d"):
        # Of btrfs: number, subvolume, generation; of the folder the subvolume comes last, when it is another.
        (number, subvolume, generation), own = (folder[2:18], folder[18:34], folder[34:]), file[18:34]
        same = subvolume == own
        return f"{kind + (1 if same else 2):02x}{file[2:]}{number}{generation}{'' if same else subvolume}"
    return f"{kind + 1:02x}{file[2:]}{folder[2:]}"


def run(report, cluster):
    master = cluster.master
    one, two = cluster.node("n1"), cluster.node("n2")
    master.sh(f"cd {LOWER} && echo secret >var/tmp/secret && echo mine >/home/mine && echo shown >/home/shown"
              " && chmod 666 var/tmp/secret /home/mine /home/shown")
    try:
        cluster.up("n1", "n2")
        settle(one)
        # The worst case: the numbers need not be guessed.
        secret, beside, home, shown = (
            perl(master, HANDLE, path) for path in (f"{LOWER}/var/tmp/secret", f"{LOWER}/var/tmp", "/home", "/home/shown"))

        mounted(one, "/home", "rw")
        found = perl(one, GRAFT, AT, f"{AT}/mine", "", within(shown, home))
        report.equal("n1: with a handle that it makes up it opens a file that it may", found, "shown")
        for how, file in guesses(secret, beside, home).items():
            found = perl(one, GRAFT, AT, f"{AT}/mine", "", file, "taken")
            report.check(f"n1: the home leads to no file beside it: its number {how}", found.startswith("refused"), found)
        root = cluster.root_of("n1")
        mounted(one, root)
        folder = perl(master, HANDLE, f"/srv/nfs{root}/etc")
        for how, file in guesses(secret, beside, folder).items():
            found = perl(one, GRAFT, AT, f"{AT}/etc/passwd", "", file)
            report.check(f"n1: its generation leads to no file beside it: its number {how}", found.startswith("refused"), found)
        found = perl(one, GRAFT, AT, f"{AT}/etc/passwd", "0101000000", secret)
        report.check("n1: it gets to no file of the live tree by its export's number", found.startswith("refused"), found)

        own, theirs = (f"/node/{node.boot_mac}" for node in (one, two))
        names = master.sh(f"cd /srv/nfs{theirs} && find own -type f").split()
        report.check("master: n2 has something of its own", names, names)
        mounted(one, own)
        mine = one.sh(f"find {AT}/own -type f | head -n 1").strip()
        number = hashlib.sha256(f"voidclust {theirs[1:]}".encode()).hexdigest()[:32]
        file = perl(master, HANDLE, f"/srv/nfs{theirs}/{names[0]}")
        found = perl(one, GRAFT, AT, mine, "", "")
        report.check("n1: its own it can open", found and not found.startswith("refused"), found)
        for how, export in (("its own export", ""), ("that of n2", "06" + number)):
            found = perl(one, GRAFT, AT, mine, export, file)
            report.check(f"n1: it gets to nothing of n2's by the number of a file and {how}", found.startswith("refused"), found)
        for path in ("/head", theirs):
            report.equal(f"n1: of {path} it sees nothing", mounted(one, path), [])
        for path in (root, own, "/"):
            mounted(one, path, "rw")
            status, said = one.sh(f"touch {AT}/x", check=False)
            report.check(f"n1: it writes nothing into {path}", status != 0, said)

        found = master.sh("ps -o user= -C dnsmasq").split()
        report.equal("master: the boot server runs as a user of its own", found, ["dnsmasq"])
        found = master.sh("find /srv/tftp ! -type l \\( ! -user root -o -perm /022 \\)").split()
        report.equal("master: the boot tree is root's alone to change", found, [])
        report.equal("n1: the boot server gives it a menu", perl(one, TFTP, 1, "pxelinux.cfg/default"), "3")
        for path in ("../../etc/passwd", "/etc/passwd", "images/../../../etc/passwd", "/srv/tftp/../../etc/passwd"):
            report.equal(f"n1: but not {path}", perl(one, TFTP, 1, path), "5")
        report.check("n1: nor does it take one", perl(one, TFTP, 2, "pxelinux.cfg/default") != "4")
        cluster.by_http(True)
        for path in ("../../etc/passwd", "images/../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd"):
            status, said = one.sh(f"busybox wget -q -O - http://{MASTER}/{path}", check=False)
            report.check(f"n1: nor does it get {path} by HTTP", status != 0 and "root:" not in said, said)
        if cluster.tools["HTTP"] != "double":
            found = master.sh("ps -o user= -C darkhttpd; readlink /proc/$(pidof darkhttpd)/root").split()
            report.equal("master: the HTTP server has a user and a root of its own", found, ["_darkhttpd", "/srv/tftp"])
        stranger(report, master)

        # What all this is for: without the check the same handle is good enough.
        master.sh("exportfs -o rw,sec=sys,no_subtree_check,crossmnt,fsid=2 "
                  f"{MACHINES['n1']['address']}:/srv/nfs/home")
        mounted(one, "/home", "rw")
        found = perl(one, GRAFT, AT, f"{AT}/mine", "", secret, "taken")
        report.equal("n1: without subtree_check it gets to a file beside the home", found, "secret")
        taken(report, cluster, one, two)
    finally:
        master.sh(f"exportfs -ra; cd {LOWER} && rm -f var/tmp/secret /home/mine /home/shown")
        cluster.by_http(False)
        cluster.down("n1", "n2")
