//! Every key and every check: a piece of configuration, where the mistake is, and what is said of it.

use crate::place::{CRATE, Place};

/// A drop-in over the example, the line and column where it is wrong, and words of the message.
const MISTAKES: &[(&str, &str, &str)] = &[
    // [cluster]
    ("[cluster]\ndomain = \"a_b\"", "2:10", "`a_b` is not a host name"),
    ("[cluster]\nname = \"x\"", "2:1", "unknown key `name` in [cluster]"),
    // [network]
    ("[network]\ninterface = \"a/b\"", "2:13", "`a/b` is not the name of a network interface"),
    ("[network]\naddress = \"172.23.199.225\"", "2:11", "`172.23.199.225` is not an address with a prefix"),
    ("[network]\naddress = \"172.23.199.0/24\"", "2:11", "`172.23.199.0/24` is the network address of 172.23.199.0/24"),
    ("[network]\naddress = \"172.23.199.255/24\"", "2:11", "`172.23.199.255/24` is the broadcast address of 172.23.199.0/24"),
    ("[network]\naddress = \"172.23.199.225/31\"", "2:11", "the prefix of `172.23.199.225/31` must be between 8 and 30"),
    ("[network]\ngateway = \"router\"", "2:11", "`router` is not an IPv4 address"),
    ("[network]\ngateway = \"10.0.0.1\"", "2:11", "the gateway, 10.0.0.1, is outside the subnet 172.23.199.0/24"),
    (
        "[network]\ngateway = \"172.23.199.255\"",
        "2:11",
        "the gateway, 172.23.199.255, is the broadcast address of 172.23.199.0/24",
    ),
    ("[network]\ndns = [\"one\"]", "2:8", "`one` is not an IPv4 address"),
    ("[network]\ndns = \"9.9.9.9\"", "2:7", "`dns` must be a list, not \"9.9.9.9\""),
    ("[network]\ndhcp = \"dhcpd\"", "2:8", "`dhcp` takes \"proxy\", \"server\" or \"off\", not \"dhcpd\""),
    ("[network]\nrange = \"172.23.199.1\"", "2:9", "`172.23.199.1` is not a range"),
    ("[network]\nrange = \"172.23.199.9 - 172.23.199.1\"", "2:9", "`172.23.199.9 - 172.23.199.1` ends before it begins"),
    ("[network]\nrange = \"172.23.199.1 - 172.23.199.9\"", "2:9", "`range` is given, but the master gives out no addresses"),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.198.1 - 172.23.199.9\"",
        "3:9",
        "the range's first address, 172.23.198.1, is outside the subnet 172.23.199.0/24",
    ),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.199.229 - 172.23.199.255\"",
        "3:9",
        "the range's last address, 172.23.199.255, is the broadcast address of 172.23.199.0/24",
    ),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.199.200 - 172.23.199.225\"",
        "3:9",
        "the range holds the master's address, 172.23.199.225",
    ),
    (
        "[network]\ndhcp = \"server\"\ngateway = \"172.23.199.5\"\nrange = \"172.23.199.1 - 172.23.199.9\"",
        "4:9",
        "the range holds the gateway, 172.23.199.5",
    ),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.199.1 - 172.23.199.9\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.3\"",
        "7:11",
        "172.23.199.3 lies inside `range`, which is for machines without an address of their own",
    ),
    (
        "[network]\ndhcp = \"server\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"",
        "4:8",
        "node `x` has no address, and the master has no range to take one from",
    ),
    // [master]
    ("[master]\nname = \"-a\"", "2:8", "`-a` is not a host name"),
    (
        "[master]\nmac = \"01:00:5e:00:00:01\"",
        "2:7",
        "`01:00:5e:00:00:01` is not the address of one network card (a group or null address)",
    ),
    ("[master]\nmac = \"auto\"", "2:7", "the master's MAC cannot be read: ROOT/ is not the running machine's root"),
    ("[master]\nstorage = \"btrfs\"", "2:11", "`storage` takes \"auto\", \"zfs\" or \"plain\", not \"btrfs\""),
    ("[master]\nmodules = [\"a b\"]", "2:12", "`a b` is not the name of a kernel module"),
    ("[master]\noverlays = [\"missing\"]", "2:13", "there is no overlay `missing`"),
    ("[master]\noverlays = [\"../etc\"]", "2:13", "`../etc` is not a name"),
    ("[master]\nservices = [\"a/b\"]", "2:13", "`a/b` is not the name of a service"),
    // [client]
    ("[client]\ncmdline = \"a='b'\"", "2:11", "`a=\\'b\\'` cannot be passed on a kernel command line"),
    ("[client]\nmodules = [1]", "2:12", "`modules` is a list of texts, and 1 is none"),
    ("[client]\ndrivers = \"some\"", "2:11", "`drivers` takes \"all\" or \"autodetect\", not \"some\""),
    ("[client]\noverlays = [\"missing\"]", "2:13", "there is no overlay `missing`"),
    ("[client]\nservices = \"sshd\"", "2:12", "`services` must be a list, not \"sshd\""),
    ("[client]\nkernel = \"latest\"", "2:10", "`latest` is not a kernel"),
    ("[client]\nkernel = \"6.12.94_1\"", "2:10", "kernel `6.12.94_1` is not installed"),
    // [nfs]
    ("[nfs]\nroot_options = \"ro, soft\"", "2:16", "`ro, soft` is not a list of mount options"),
    ("[nfs]\nhome_options = \"\"", "2:16", "`` is not a list of mount options"),
    ("[nfs]\nthreads = 0", "2:11", "`threads` must be between 1 and 1024"),
    ("[nfs]\nthreads = \"8\"", "2:11", "`threads` must be a whole number, not \"8\""),
    ("[nfs]\nthreads = 70000", "2:11", "`threads` must be between 1 and 1024"),
    ("[nfs]\nhome = \"home\"", "2:8", "`home` is not an absolute path"),
    ("[nfs]\nhome = \"/a/../b\"", "2:8", "`/a/../b` is not an absolute path"),
    ("[nfs]\nroot_server = \"nas:/void\"", "2:15", "`nas:/void` does not name a server and a path"),
    ("[nfs]\nhome_server = \"nas\"", "2:15", "`nas` does not name a server and a path"),
    ("[nfs]\nhome_type = \"nfs4\"", "2:13", "`home_type` is given, but the home comes from the master"),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome_type = \"nfs 4\"", "3:13", "`nfs 4` is not a file system type"),
    (
        "[nfs]\nhome_server = \"nas:/home\"\nroot_squash_home = true",
        "3:20",
        "`root_squash_home` has no effect: the home comes from another server",
    ),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome = \"none\"", "3:8", "`home` is \"none\", but `home_server` names one"),
    ("[nfs]\nroot_squash_home = \"yes\"", "2:20", "`root_squash_home` must be true or false, not \"yes\""),
    // [boot]
    ("[boot]\nfirmware = [\"bios\", \"efi\"]", "2:21", "`firmware` takes \"bios\" or \"uefi\", not \"efi\""),
    ("[boot]\nfirmware = []", "2:12", "`firmware` is empty, so no machine could boot"),
    ("[boot]\nkeep = 0", "2:8", "`keep` must be at least 1"),
    ("[boot]\nkeep = 2.5", "2:8", "`keep` must be a whole number, not 2.5"),
    ("[boot]\ntimeout = -1", "2:11", "`timeout` must be between 0 and 3599"),
    // [profile]
    ("[profile.\"a/b\"]", "1:10", "profile `a/b` is not a name"),
    ("[profile.a]\nname = \"x\"", "2:1", "unknown key `name` in [profile.NAME]"),
    ("[profile.a]\noverlays = [\"missing\"]", "2:13", "there is no overlay `missing`"),
    ("[profile.a]\nservices = [\"\"]", "2:13", "`` is not the name of a service"),
    ("[profile.a]\ncmdline = \"a;b\"", "2:11", "`a;b` cannot be passed on a kernel command line"),
    ("[profile.a]\nmodules = [\"ä\"]", "2:12", "`ä` is not the name of a kernel module"),
    ("[profile.a]\nkernel = \"6.1_1\"", "2:10", "kernel `6.1_1` is not installed"),
    // [[node]]
    ("[[node]]\nmac = \"52:54:00:00:00:99\"", "1:1", "this node has no name"),
    ("[[node]]\nname = \"x\"", "1:1", "node `x` has no MAC"),
    ("[[node]]\nname = \"1.2.3.4\"\nmac = \"52:54:00:00:00:99\"", "2:8", "`1.2.3.4` looks like an address, not a host name"),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00\"", "3:7", "`52:54:00:00:00` is not a MAC address"),
    ("[[node]]\nname = \"x\"\nmac = []", "3:7", "node `x` has an empty list of MACs"),
    ("[[node]]\nname = \"x\"\nmac = [\"52:54:00:00:00:99\", 5]", "3:29", "`mac` is a list of texts, and 5 is none"),
    ("[[node]]\nname = \"NODE1\"\nmac = \"52:54:00:00:00:99\"", "2:8", "another node is called `node1` already"),
    (
        "[[node]]\nname = \"node1.cluster\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "another node is called `node1` already, which is the same in this domain",
    ),
    (
        "[[node]]\nname = \"master\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "the master is called `master.cluster` already, which is the same in this domain",
    ),
    (
        "[[node]]\nname = \"a-name-that-fits-alone-and-with-its-domain-no-longer-fits\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "-fits.cluster` has 65 characters, a host name at most 64",
    ),
    (
        "[master]\nname = \"a-name-that-fits-alone-and-with-its-domain-no-longer-fits\"",
        "2:8",
        "-fits.cluster` has 65 characters, a host name at most 64",
    ),
    ("[[node]]\nname = \"x\"\nmac = \"5254.0017.c7e2\"", "3:7", "52:54:00:17:c7:e2 belongs to node `node1` already"),
    (
        "[[node]]\nname = \"x\"\nmac = [\"52:54:00:00:00:99\", \"52:54:00:00:00:99\"]",
        "3:7",
        "52:54:00:00:00:99 belongs to node `x` already",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.226\"",
        "4:11",
        "172.23.199.226 is the address of node `node1` already",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.225\"",
        "4:11",
        "172.23.199.225 is the address of the master already",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.200.1\"",
        "4:11",
        "the node's address, 172.23.200.1, is outside the subnet 172.23.199.0/24",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.0\"",
        "4:11",
        "the node's address, 172.23.199.0, is the network address of 172.23.199.0/24",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.255\"",
        "4:11",
        "the node's address, 172.23.199.255, is the broadcast address of 172.23.199.0/24",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.300\"",
        "4:11",
        "`172.23.199.300` is not an IPv4 address",
    ),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"missing\"]", "4:13", "there is no profile `missing`"),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\noverlays = [\"missing\"]", "4:13", "there is no overlay `missing`"),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nservices = [\"!\"]", "4:13", "`!` is not the name of a service"),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\ncmdline = \"a\\nb\"",
        "4:11",
        "`a\\nb` cannot be passed on a kernel command line",
    ),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nkernel = \"6.1_1\"", "4:10", "kernel `6.1_1` is not installed"),
    ("[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nadress = \"172.23.199.9\"", "4:1", "unknown key `adress` in [[node]]"),
    ("[nodes]", "1:2", "unknown table `nodes`"),
    // [[node]]
    ("[node]\nname = \"x\"", "1:2", "`node` is not a list"),
    // [profile]
    ("profile = 3", "1:1", "`profile` is not a table"),
    // [network]
    ("network = \"x\"", "1:11", "this is not the table [network]"),
    ("[[network]]", "1:1", "this is not the table [network]"),
    // [cluster]
    // What means something else where it is put.
    ("[[node]]\nname = \"localhost\"\nmac = \"52:54:00:00:00:99\"", "2:8", "by it each machine means itself"),
    ("[[node]]\nname = \"localhost.cluster\"\nmac = \"52:54:00:00:00:99\"", "2:8", "by it each machine means itself"),
    ("[[node]]\nname = \"a.localhost\"\nmac = \"52:54:00:00:00:99\"", "2:8", "by it each machine means itself"),
    ("[[node]]\nname = \"unlisted\"\nmac = \"52:54:00:00:00:99\"", "2:8", "machines that are not listed are called so"),
    ("[[node]]\nname = \"infinite\"\nmac = \"52:54:00:00:00:99\"", "2:8", "dnsmasq has a meaning for it"),
    ("[[node]]\nname = \"ignore.rack\"\nmac = \"52:54:00:00:00:99\"", "2:8", "dnsmasq has a meaning for it"),
    ("[[node]]\nname = \"12h\"\nmac = \"52:54:00:00:00:99\"", "2:8", "dnsmasq would take it for a lease time"),
    ("[[node]]\nname = \"7W\"\nmac = \"52:54:00:00:00:99\"", "2:8", "dnsmasq would take it for a lease time"),
    ("[[node]]\nname = \"45.rack\"\nmac = \"52:54:00:00:00:99\"", "2:8", "dnsmasq would take it for a lease time"),
    ("[master]\nname = \"localhost\"", "2:8", "by it each machine means itself"),
    ("[cluster]\ndomain = \"localhost\"", "2:10", "by it each machine means itself"),
    (
        "[[node]]\nname = \"node1.rack\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "the short name of `node1.rack` is that of node `node1` already",
    ),
    (
        "[[node]]\nname = \"master.rack\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "the short name of `master.rack` is that of the master already",
    ),
    ("[network]\ninterface = \"lo\"", "2:13", "is not the name of a network interface"),
    ("[network]\ninterface = \"eth0@if3\"", "2:13", "is not the name of a network interface"),
    ("[network]\ninterface = \"-i\"", "2:13", "is not the name of a network interface"),
    ("[network]\ninterface = \"eth0*\"", "2:13", "is not the name of a network interface"),
    ("[network]\ndns = [\"127.0.0.1\"]", "2:8", "`127.0.0.1` is "),
    ("[network]\ndns = [\"0.0.0.0\"]", "2:8", "`0.0.0.0` is "),
    ("[network]\ndns = [\"224.0.0.9\"]", "2:8", "`224.0.0.9` is "),
    ("[network]\ndns = [\"255.255.255.255\"]", "2:8", "`255.255.255.255` is "),
    ("[network]\naddress = \"127.0.0.1/8\"", "2:11", "by which a machine calls itself"),
    ("[network]\ndns = [\"172.23.199.255\"]", "2:8", "the DNS server, 172.23.199.255, is the broadcast address"),
    ("[network]\ndns = [\"9.9.9.9\", \"1.1.1.1\", \"8.8.8.8\", \"8.8.4.4\"]", "2:41", "nodes ask only the first 3 DNS servers"),
    ("[client]\nmodules = [\"-r\"]", "2:12", "`-r` is not the name of a kernel module"),
    ("[client]\nservices = [\"-v\"]", "2:13", "`-v` is not the name of a service"),
    ("[client]\noverlays = [\"master\"]", "2:13", "the overlay `master` cannot be used here"),
    ("[master]\noverlays = [\"client\"]", "2:13", "the overlay `client` cannot be used here"),
    ("[client]\ncmdline = \"[[ -f x ]]\"", "2:11", "GRUB would take it"),
    ("[client]\ncmdline = \"a ]] b\"", "2:11", "GRUB would take it"),
    ("[client]\ncmdline = \"*\"", "2:11", "GRUB would take it"),
    ("[client]\ncmdline = \"initrd=/x\"", "2:11", "PXELINUX would load that file"),
    ("[client]\ncmdline = \"a.initrd=b\"", "2:11", "PXELINUX would load that file"),
    ("[client]\ncmdline = \"ip=dhcp\"", "2:11", "voidclust makes it itself"),
    ("[client]\ncmdline = \"nfsroot=10.0.0.1:/x\"", "2:11", "voidclust makes it itself"),
    ("[client]\ncmdline = \"BOOTIF=x\"", "2:11", "the loader makes it itself"),
    ("[client]\ncmdline = \"root=/dev/sda\"", "2:11", "comes from the network"),
    ("[client]\ncmdline = \"a -- b\"", "2:11", "what follows it would go to init"),
    ("[client]\ncmdline = \"overlay.size=50\"", "2:11", "it is no size"),
    ("[client]\ncmdline = \"overlay.size=0\"", "2:11", "it is no size"),
    ("[client]\ncmdline = \"overlay.size=150%\"", "2:11", "it is no size"),
    ("[client]\ncmdline = \"overlay.mode=9\"", "2:11", "it is no mode"),
    ("[client]\ncmdline = \"overlay=no\"", "2:11", "it is on or off"),
    ("[client]\ncmdline = \"root_timeout=0\"", "2:11", "it is no number of seconds"),
    ("[nfs]\nroot_server = \"172.23.199.225:/void\"", "2:15", "the root's server is the master itself"),
    ("[nfs]\nroot_server = \"172.23.199.226:/void\"", "2:15", "the root's server is node `node1`"),
    ("[nfs]\nroot_server = \"172.23.199.255:/void\"", "2:15", "the root's server, 172.23.199.255, is the broadcast address"),
    ("[nfs]\nroot_server = \"127.0.0.1:/void\"", "2:15", "does not name a server and a path"),
    ("[nfs]\nhome_server = \"[::1]:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"localhost:6789:/\"\nhome_type = \"ceph\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"172.23.199.225:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"master:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"MASTER.cluster:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"localhost:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"127.0.0.1:/home\"", "2:15", "the home's server is the master itself"),
    ("[nfs]\nhome_server = \"LABEL=a:/b\"", "2:15", "does not name a server and a path"),
    ("[nfs]\nhome_server = \"-o:/x\"", "2:15", "does not name a server and a path"),
    ("[nfs]\nhome_server = \"/dev/sda:/x\"", "2:15", "does not name a server and a path"),
    ("[nfs]\nhome_server = \"a,b:/x\"", "2:15", "is not one NFS server and a path"),
    ("[nfs]\nhome_server = \"a@tcp:/x\"", "2:15", "is not one NFS server and a path"),
    ("[nfs]\nhome_server = \"nas:/a//b\"", "2:15", "is not one NFS server and a path"),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome_type = \"swap\"", "3:13", "`swap` is not a file system type"),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome_type = \"none\"", "3:13", "`none` is not a file system type"),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome_type = \"tmpfs\"", "3:13", "`tmpfs` is not a file system type"),
    ("[nfs]\nhome_server = \"nas:/home\"\nhome_type = \"-t\"", "3:13", "`-t` is not a file system type"),
    ("[nfs]\nhome = \"/proc\"", "2:8", "the home cannot be /proc"),
    ("[nfs]\nhome = \"/proc/x\"", "2:8", "the home cannot be /proc/x"),
    ("[nfs]\nhome = \"/srv/nfs\"", "2:8", "the home cannot be /srv/nfs"),
    ("[nfs]\nhome = \"/srv/nfs/home\"", "2:8", "the home cannot be /srv/nfs/home"),
    ("[nfs]\nhome = \"/srv\"", "2:8", "the home cannot be /srv"),
    ("[nfs]\nhome = \"/srv/tftp\"", "2:8", "the home cannot be /srv/tftp"),
    ("[nfs]\nhome = \"/var\"", "2:8", "the home cannot be /var"),
    ("[nfs]\nhome = \"/var/lib/voidclust\"", "2:8", "the home cannot be /var/lib/voidclust"),
    ("[nfs]\nhome = \"/run/x\"", "2:8", "the home cannot be /run/x"),
    ("[nfs]\nhome = \"/etc\"", "2:8", "the home cannot be /etc"),
    ("[nfs]\nhome = \"/usr/home\"", "2:8", "the home cannot be /usr/home"),
    ("[nfs]\nhome = \"/dev/shm\"", "2:8", "the home cannot be /dev/shm"),
    ("[nfs]\nhome = \"/tmp/home\"", "2:8", "the home cannot be /tmp/home"),
    ("[nfs]\nhome = \"/boot\"", "2:8", "the home cannot be /boot"),
    ("[nfs]\nroot_options = \"ro,nfsvers=3\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,vers=2\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,port=70000\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,rsize=32k\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,proto=udp\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,sec=krb5\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,bg\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,noexec\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,noauto\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,nfsver=4\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,retrans=ten\"", "2:16", "mount option"),
    ("[nfs]\nhome_options = \"rw,nfsvers=3\"", "2:16", "mount option"),
    ("[nfs]\nhome_options = \"rw,noauto\"", "2:16", "mount option"),
    ("[nfs]\nhome_options = \"rw,bind\"", "2:16", "mount option"),
    ("[nfs]\nhome_options = \"rw,timeo=x\"", "2:16", "mount option"),
    ("[nfs]\nroot_options = \"ro,\"", "2:16", "is not a list of mount options"),
    ("[nfs]\nroot_options = \"ro,,soft\"", "2:16", "is not a list of mount options"),
    ("[nfs]\nroot_options = \"-o,ro\"", "2:16", "is not a list of mount options"),
    ("[boot]\ntimeout = 3600", "2:11", "`timeout` must be between 0 and 3599"),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.199.100 - 172.23.199.100\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:98\"\n[[node]]\nname = \"y\"\nmac = \"52:54:00:00:00:99\"",
        "3:9",
        "the range holds 1 addresses, and 2 nodes have none of their own",
    ),
    ("[cluster", "1:9", "the brackets of this table are not closed"),
    ("[cluster]\ndomain = \"a", "2:10", "the quotes of `domain` are not closed"),
    ("[cluster]\ndomain = \"a\"\ndomain = \"b\"", "3:1", "duplicate key"),
    ("domain = ", "1:9", "`domain` has no value"),
];

#[test]
fn every_mistake_is_named_with_its_place() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/known/x", "");
    let mut failures = String::new();
    for (text, at, words) in MISTAKES {
        place.write("etc/voidclust.d/1.conf", text);
        let ran = place.run(&["check"]);
        let wanted = format!("ROOT/etc/voidclust.d/1.conf:{at}: ");
        let lines: Vec<_> = ran.err.lines().filter(|line| line.starts_with("ROOT/")).collect();
        let named = matches!(lines[..], [line] if line.starts_with(&wanted) && line.contains(words));
        if ran.status != 1 || !named || !ran.err.contains("\n  | ") || !ran.err.contains('^') {
            failures.push_str(&format!("{text}\nwanted one message: {wanted}…{words}…\ngot: {}\n\n", ran.err));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The kernel takes 2,047 bytes, what the loaders add included.
#[test]
fn a_kernel_command_line_that_is_too_long_as_a_whole_is_told_with_what_adds_up() {
    let place = Place::small();
    let words = |length: usize| "a".repeat(length);
    let parts = format!(
        "[client]\ncmdline = \"{}\"\n[profile.big]\ncmdline = \"{}\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"big\"]\ncmdline = \"{}\"\n",
        words(700),
        words(701),
        words(400)
    );
    place.write("etc/voidclust.d/1.conf", &parts);
    let json = place.run(&["check", "--json"]).ended(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    // The longest part.
    assert_eq!((problems[0]["line"].as_u64(), problems[0]["column"].as_u64()), (Some(4), Some(11)));
    let said = format!("{} {}", problems[0]["problem"], problems[0]["remedy"]);
    for words in [
        "of node `x` has ",
        "2046 arrive",
        "root_options 47",
        "[client] cmdline 700",
        "[profile.big] cmdline 701",
        "its own cmdline 400",
    ] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    place.write("etc/voidclust.d/1.conf", parts.replace(&words(400), &words(100)));
    place.run(&["check"]).ended(0);

    // Every client's, and said once for all of them.
    let options = format!("ro,{}", "x-a=b,".repeat(165) + "hard");
    place.write(
        "etc/voidclust.d/1.conf",
        format!("[client]\ncmdline = \"{}\"\n[nfs]\nroot_options = \"{options}\"\n", words(900)),
    );
    let json = place.run(&["check", "--json"]).ended(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0]["problem"].as_str().unwrap().contains("of every client has "), "{problems:?}");
    assert_eq!(problems[0]["line"].as_u64(), Some(4));
}

/// To the byte: what a loader writes before and behind counts.
#[test]
fn the_longest_command_line_that_passes_is_the_longest_that_arrives() {
    let place = Place::small();
    let version = "6.12.94_1-with-quite-a-long-name";
    place.write(&format!("usr/lib/modules/{version}/x"), "");
    place.write(&format!("boot/vmlinuz-{version}"), "");
    let node = "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\n";
    let passes = |length: usize| {
        let cmdline = format!("[client]\ncmdline = \"{}\"\n{node}cmdline = \"{}\"\n", "a".repeat(1000), "b".repeat(length));
        place.write("etc/voidclust.d/1.conf", cmdline);
        place.run(&["check"]).status == 0
    };
    let longest = (0..1024).rev().find(|length| passes(*length)).unwrap();
    let line = format!(
        "BOOT_IMAGE=images/{version}-0123456789ab/vmlinuz nfsroot=172.23.199.225:/root,ro,nfsvers=4,retrans=10,rsize=32768,wsize=32768 \
         ip=::: rootdelay=0 panic=30 {} {} initrd=images/{version}-0123456789ab/initramfs.img BOOTIF=01-52-54-00-00-00-99",
        "a".repeat(1000),
        "b".repeat(longest)
    );
    assert_eq!(line.len(), 2046, "{line}");
}

#[test]
fn a_domain_that_is_too_long_even_for_the_name_of_a_master_that_has_none_is_named() {
    let place = Place::small();
    let domain = "d.".repeat(29);
    let master = "[network]\naddress = \"10.0.0.1/24\"\n[master]\nmac = \"52:54:00:00:00:01\"\n";
    let check = |domain: &str| {
        place.write("etc/voidclust.conf", format!("[cluster]\ndomain = \"{domain}\"\n{master}"));
        place.run(&["check"])
    };
    check(&domain[..57]).ended(0);
    let said = check(&format!("{}d", &domain[..57])).ended(1).err;
    assert!(said.starts_with("ROOT/etc/voidclust.conf:2:10: `master.d.") && said.contains(" has 65 characters"), "{said}");
}

#[test]
fn all_problems_of_all_files_are_reported_in_one_run_in_order() {
    let place = Place::small();
    place.write("etc/voidclust.d/20.conf", "[boot]\nkeep = 0\n\n[nfs]\nthreads = 0\nhome = \"x\"\n");
    place.write("etc/voidclust.d/10.conf", "[client]\ncmdline = \"'\"\nkernel = \"6.1_1\"\nnonsense = 1\n");
    // Whose name is that of node1, which comes after it.
    place.write("etc/voidclust.conf", place.read("etc/voidclust.conf").replace("master.cluster", "node1"));
    let ran = place.run(&["check"]).ended(1);
    let places: Vec<_> = ran.err.lines().filter_map(|line| line.strip_prefix("ROOT/etc/")?.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "voidclust.conf:26:8",
            "voidclust.d/10.conf:2:11",
            "voidclust.d/10.conf:3:10",
            "voidclust.d/10.conf:4:1",
            "voidclust.d/20.conf:2:8",
            "voidclust.d/20.conf:5:11",
            "voidclust.d/20.conf:6:8",
        ],
        "{}",
        ran.err
    );
    assert!(ran.err.ends_with("\n7 problems\n"), "{}", ran.err);
}

#[test]
fn every_wrong_element_of_a_list_is_named_with_its_own_place() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", "[master]\nmodules = [\"a b\", \"ok\", \"c d\"]\n[network]\ndns = [7, \"x\"]\n");
    let ran = place.run(&["check"]).ended(1);
    let places: Vec<_> = ran.err.lines().filter_map(|line| line.strip_prefix("ROOT/etc/voidclust.d/1.conf:")).collect();
    let columns: Vec<_> = places.iter().filter_map(|place| place.split(": ").next()).collect();
    assert_eq!(columns, ["2:12", "2:25", "4:8", "4:11"], "{}", ran.err);
}

#[test]
fn a_message_has_the_line_a_caret_and_what_would_be_right() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", "[network]\n\tdhcp = \"off\"\n\trange = \"172.23.199.1 - 172.23.199.9\"\n");
    let message = "ROOT/etc/voidclust.d/1.conf:3:10: `range` is given, but the master gives out no addresses\n  \
        | \trange = \"172.23.199.1 - 172.23.199.9\"\n  \
        | \t        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  \
        = set dhcp = \"server\", or remove `range`\n1 problem\n";
    assert_eq!(place.run(&["check"]).ended(1).err, message);
}

#[test]
fn what_is_missing_altogether_is_named() {
    let place = Place::small();
    place.write("etc/voidclust.conf", "[master]\nmac = \"52:54:00:00:00:01\"\n");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.starts_with("ROOT/etc/voidclust.conf: the master's address is missing; set it under"), "{}", ran.err);
    place.write("etc/voidclust.conf", "[network]\naddress = \"10.0.0.1/8\"\n");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.contains("the master's MAC cannot be read") && ran.err.contains("; set `mac` under [master]"), "{}", ran.err);
}

/// The mistake is where the second of two equals is written.
#[test]
fn what_clashes_with_the_master_is_named_at_the_node() {
    let place = Place::small();
    for (drop_in, message) in [
        ("mac = \"52:54:00:17:c7:e4\"", "37:7: 52:54:00:17:c7:e4 belongs to the master already"),
        ("name = \"node1\"", "26:8: the master is called `node1` already"),
    ] {
        place.write("etc/voidclust.d/1.conf", format!("[master]\n{drop_in}\n"));
        let ran = place.run(&["check"]).ended(1);
        assert!(ran.err.starts_with(&format!("ROOT/etc/voidclust.conf:{message}\n")), "{}", ran.err);
    }
}

#[test]
fn the_shipped_configuration_is_right_once_its_keys_are_uncommented() {
    let shipped = std::fs::read_to_string(format!("{CRATE}/voidclust.conf")).unwrap();
    let is_key = |line: &str| {
        line.starts_with("#[")
            || line.split(" = ").next().is_some_and(|key| key[1..].bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let mut keys = 0;
    let mut text = String::new();
    for line in shipped.lines() {
        match line.strip_prefix('#') {
            Some(bare) if line.contains(" = ") && is_key(line) || line.starts_with("#[") => {
                keys += 1;
                text.push_str(bare);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    assert!(keys > 40, "only {keys} keys found");
    // What cannot be on every machine, and what excludes another key that is shown.
    for (shown, instead) in [
        ("mac = \"auto\"", "mac = \"52:54:00:00:00:01\""),
        ("dhcp = \"proxy\"", "dhcp = \"server\""),
        ("root_squash_home = true", ""),
    ] {
        assert_eq!(text.matches(shown).count(), 1, "{shown}");
        text = text.replace(shown, instead);
    }
    let place = Place::small();
    place.write("etc/voidclust/overlays/compute/motd", "");
    place.write("etc/voidclust.conf", &text);
    assert_eq!(place.run(&["check"]).ended(0).out, "ok: master master, 1 node, 1 profile\n");
    place.run(&["apply"]).ended(0);
}

#[test]
fn tables_alone_configure_nothing() {
    let place = Place::small();
    place.write("etc/voidclust.conf", "[network]\n[nfs]\n");
    assert!(place.run(&["check"]).ended(1).err.contains("not configured yet"));
}
