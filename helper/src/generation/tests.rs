//! Generations from their making to their end, on each storage, and what a killed run leaves.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::collections::BTreeSet;
use std::fs::{create_dir_all, read_to_string, write};

use super::scene::{Scene, can_copy, victims_root, without_links};
use super::*;
use crate::machine::tests::{machine, overlay_on};
use crate::testing::{SMALL_DISK, on_a_small_disk, skip};
use crate::tools::{Tool, on_path};

/// Says at which of the changes that it makes a victim is to be killed.
const KILL: &str = "VOIDCLUST_TEST_KILL";

/// The root of a victim, which is killed from now on at the change that it was told. strace(1) is attached to this thread
/// alone: what the tools do that it starts is their business.
fn marked_root() -> Option<Scene> {
    let scene = victims_root()?;
    if let Ok(change) = std::env::var(KILL) {
        let own = std::fs::read_link("/proc/thread-self").unwrap();
        let inject = format!("inject={change}");
        let mut strace = std::process::Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", &inject, "-p"]).arg(own.file_name().unwrap());
        #[allow(clippy::zombie_processes, reason = "it ends with this process, which it kills")]
        let _running = strace.spawn().unwrap();
        while read_to_string("/proc/thread-self/status").unwrap().contains("TracerPid:\t0\n") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    Some(scene)
}

/// Not a test of its own: makes a generation, for a test that kills it or changes things below it.
#[test]
fn maker() {
    let Some(scene) = marked_root() else { return };
    match scene.try_make(&[]) {
        Ok(made) => println!("made {}", made.number),
        Err(error) => println!("failed: {error:#}"),
    }
}

/// Not a test of its own: removes a generation.
#[test]
fn remover() {
    let Some(scene) = marked_root() else { return };
    let generations = load(&scene.root).unwrap();
    let Some(made) = generations.made.values().find(|made| made.number != STAYS) else { return };
    remove(&Lock::take(&scene.root).unwrap(), &scene.root, None, made).unwrap();
    println!("removed {}", made.number);
}

/// The generation that no test removes.
const STAYS: u32 = 2;

/// The records there are, after it is seen that there is nothing else.
#[track_caller]
fn whole(scene: &Scene) -> BTreeSet<u32> {
    let generations = load(&scene.root).unwrap();
    let numbers: BTreeSet<_> = generations.made.keys().copied().collect();
    let wanted: BTreeSet<_> = numbers.iter().flat_map(|n| [n.to_string(), format!("{n}.index"), format!("{n}.toml")]).collect();
    assert_eq!(scene.kept().into_iter().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(verify(&scene.root, &generations).unwrap(), []);
    numbers
}

#[test]
fn a_root_that_changes_while_it_is_copied_is_copied_as_it_is_in_the_end() {
    if !can_copy("a_root_that_changes_while_it_is_copied_is_copied_as_it_is_in_the_end") {
        return;
    }
    let (scene, doubles) = (Scene::new(), tempfile::tempdir().unwrap());
    for path in ["usr/a/deep/x", "usr/b/deep/x", "usr/gone/x", "usr/folder/x", "usr/link"] {
        scene.write(path, path);
    }
    let first = scene.make();
    let before = without_links(scene.tree(&first));
    scene.write("etc/new", "new");
    let changes = "cd \"$VOIDCLUST_TEST_GENERATION\"/usr; n=$(cat $0.n 2>/dev/null); echo x$n >$0.n\n\
        case $n in\n\
        '') chmod 600 bin/one; rm -r gone; mv a c; mv b a; mv c b; mkdir -p new/deep; echo x >new/deep/x; ln bin/-rf twice;;\n\
        x) rm -r folder; ln -s bin folder; rm link; mkdir link; echo y >link/y; printf 'BBBB\\n' >../etc/hosts;;\n\
        xx) echo 2 >new/deep/x; touch -h folder;;\n\
        esac\n\
        PATH=${PATH#*:} exec rsync \"$@\"";
    scene.double(doubles.path(), "rsync", changes);
    let said = scene.victim(&[], "maker", doubles.path()).output().unwrap();
    assert!(said.contains("made 2"), "{said}");
    assert!(read_to_string(doubles.path().join("rsync.n")).unwrap().len() > 4, "not enough rounds");
    assert_eq!(without_links(scene.tree("var/lib/voidclust/generations/2/usr")), without_links(scene.tree("usr")));
    assert_eq!(scene.tree("var/lib/voidclust/generations/2/usr")["bin/one"].split("links").count(), 2);
    assert_eq!(without_links(scene.tree(&first)), before);
    assert_eq!(whole(&scene), BTreeSet::from([1, 2]));
    // One that never ends.
    scene.double(doubles.path(), "rsync", "date +%N >\"$VOIDCLUST_TEST_GENERATION\"/etc/new; PATH=${PATH#*:} exec rsync \"$@\"");
    let said = scene.victim(&[], "maker", doubles.path()).output().unwrap();
    assert!(said.contains("goes on changing while it is copied"), "{said}");
    scene.double(doubles.path(), "rsync", "echo 'rsync: no luck' >&2; exit 11");
    let said = scene.victim(&[], "maker", doubles.path()).output().unwrap();
    assert!(said.contains("cannot copy it") && said.contains("no luck"), "{said}");
    scene.make();
    assert_eq!(whole(&scene), BTreeSet::from([1, 2, 3]));
}

/// Kills a victim at each change that it makes, and sees after each that nothing is half there.
fn kill_at_each_change(test: &str, victim: &str, done: &str) {
    if !can_copy(test) {
        return;
    }
    let (scene, empty) = (Scene::new(), tempfile::tempdir().unwrap());
    if !on_path("strace") || Tool::new("strace").args(["-o", "/dev/null", "true"]).output().is_err() {
        return skip(test, "it needs strace(1), and the right to use it");
    }
    for _ in 0..STAYS {
        scene.make();
    }
    let tree = paths::generation_tree(STAYS);
    let before = without_links(scene.tree(&tree));
    let mut numbers = whole(&scene);
    let mut killed = 0;
    for call in ["mkdirat", "renameat", "unlinkat", "fchmod", "fsync", "syncfs"] {
        let mut which = 1_u32;
        loop {
            if numbers.len() == 1 {
                scene.make();
                numbers = whole(&scene);
            }
            let change = format!("{call}:signal=KILL:when={which}");
            let ended = scene.victim(&[], victim, empty.path()).env(KILL, &change).output();
            sweep(&Lock::take(&scene.root).unwrap(), &scene.root, None).unwrap();
            let now = whole(&scene);
            assert!(now.symmetric_difference(&numbers).count() <= 1, "{change}: {numbers:?} {now:?}");
            assert_eq!(without_links(scene.tree(&tree)), before, "{change}");
            numbers = now;
            if let Ok(said) = ended {
                assert!(said.contains(done), "{said}");
                break;
            }
            killed += 1;
            // Of many files that go one after the other, some tell for all.
            which += 1 + which / 6;
        }
    }
    assert!(killed > 15, "it was killed {killed} times only");
}

#[test]
fn a_making_that_is_killed_anywhere_leaves_the_old_generations_or_one_more() {
    kill_at_each_change("a_making_that_is_killed_anywhere_leaves_the_old_generations_or_one_more", "maker", "made ");
}

#[test]
fn a_removal_that_is_killed_anywhere_leaves_all_generations_or_one_less() {
    kill_at_each_change("a_removal_that_is_killed_anywhere_leaves_all_generations_or_one_less", "remover", "removed ");
}

/// Not a test of its own: what the next one runs on btrfs.
#[test]
fn on_btrfs() {
    let Some(scene) = victims_root() else { return };
    assert_eq!(storage(&scene.root, None).0, Storage::Btrfs);
    scene.fill();
    scene.write("var/db/xbps/pkgdb", "x");
    let private = ["/srv/link/*.key", "/var/db"];
    let before = scene.tree("");
    for number in 1..=3 {
        let made = scene.try_make(&private).unwrap();
        assert_eq!((made.number, &made.storage), (number, &Storage::Btrfs));
    }
    assert_eq!(scene.tree(""), before);
    let copy = scene.tree("var/lib/voidclust/generations/3");
    for (path, text) in &copy {
        // A folder that something was taken out of has another time.
        let is_changed = ["etc/fstab", ".generation-3"].contains(&path.as_str()) || text.starts_with("mode 4");
        assert!(is_changed || before.get(path) == Some(text), "{path:?}: {:?}\nis {text}", before.get(path));
    }
    assert!(!copy.contains_key("etc/machine-id") && !copy.contains_key("srv/data/site.key") && copy.contains_key("etc/hosts"));
    assert!(!scene.at_path("var/lib/voidclust/generations/3/var/lib/voidclust").exists());
    assert!(write(scene.at_path("var/lib/voidclust/generations/3/etc/hosts"), "").is_err());
    let generations = load(&scene.root).unwrap();
    assert_eq!(verify(&scene.root, &generations).unwrap(), []);
    foresee::tests::sees_what_changed(&scene, &private);
    assert_eq!(own_size(&scene.root, &generations.made[&3]).unwrap(), None);
    let lock = Lock::take(&scene.root).unwrap();
    remove(&lock, &scene.root, None, &generations.made[&2]).unwrap();
    lock.forget_generation(1).unwrap();
    let tool = Tool::new("btrfs").args(["subvolume", "snapshot"]).arg(scene.root.path());
    tool.arg(scene.at_path("var/lib/voidclust/generations/.voidclust-9")).output().unwrap();
    create_dir_all(scene.at_path("var/lib/voidclust/generations/7/x")).unwrap();
    sweep(&lock, &scene.root, None).unwrap();
    assert_eq!(scene.kept(), ["3", "3.toml"]);
    suspects::tests::sees_subvolumes(&scene);
    println!("btrfs did it");
}

#[test]
fn btrfs_keeps_snapshots_that_nobody_can_write() {
    let test = "btrfs_keeps_snapshots_that_nobody_can_write";
    let may = Tool::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).output().is_ok();
    if !may || !on_path("mkfs.btrfs") || !on_path("btrfs") {
        return skip(test, "it needs the rights of root, unshare(1) and btrfs-progs");
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    Tool::new("mkfs.btrfs").arg("-q").arg(&image).output().unwrap();
    create_dir_all(dir.path().join("top/@")).unwrap();
    let script = "mount -t btrfs -o loop \"$1\" \"$2\" && btrfs subvolume create \"$2/@\" && shift 2 && exec \"$@\"";
    let top = dir.path().join("top");
    let by = ["unshare", "--mount", "sh", "-c", script, "sh", image.to_str().unwrap(), top.to_str().unwrap()];
    let mounted = Scene::found(&top.join("@")).victim(&by, "on_btrfs", dir.path()).output();
    match mounted {
        Err(error) if format!("{error:#}").contains("mount failed") => skip(test, "this kernel has no btrfs, or no loop device"),
        said => assert!(said.as_ref().is_ok_and(|said| said.contains("btrfs did it")), "{said:?}"),
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_copied() {
    on_a_small_disk("what_does_not_fit_is_refused_before_anything_is_copied", "generation::tests::victim_of_a_small_disk");
}

/// Not a test of its own: what the one above runs on a file system of one megabyte.
#[test]
fn victim_of_a_small_disk() {
    let Some(place) = std::env::var_os(SMALL_DISK) else { return };
    let scene = Scene::found(Path::new(&place));
    scene.write("usr/lib/large", &"x".repeat(600_000));
    let error = format!("{:#}", scene.try_make(&[]).unwrap_err());
    assert!(error.contains("bytes are missing for a generation, which takes ") && error.contains("\"head\""), "{error}");
    assert_eq!(scene.kept(), [""; 0]);
    println!("the disk was full");
}

#[test]
fn what_is_served_is_not_removed() {
    let served = "9 1 8:1 /var/lib/voidclust/generations/1 /srv/nfs/root/1 ro - ext4 /dev/sda1 rw\n";
    let (dir, machine) = machine(&[(paths::MOUNTS, &format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n{served}"))]);
    let scene = Scene::found(dir.path());
    let lock = Lock::take(&scene.root).unwrap();
    let made = |number| Generation { number, made: 0, text: String::new(), storage: Storage::Copy, kernels: Vec::new() };
    for number in [1, 2] {
        lock.record_generation(&made(number)).unwrap();
        create_dir_all(scene.at_path(&paths::generation_tree(number))).unwrap();
    }
    let error = remove(&lock, &scene.root, Some(&machine), &made(1)).unwrap_err().to_string();
    assert!(error.contains("generation 1: is in use: it is seen at /srv/nfs/root/1"), "{error}");
    remove(&lock, &scene.root, Some(&machine), &made(2)).unwrap();
    assert_eq!(scene.kept(), ["1", "1.toml"]);
}

/// Programs of ZFS that note how they are called, and what they would leave.
fn zfs_doubles(scene: &Scene, doubles: &Path) {
    let log = "echo \"${0##*/} $*\" >>\"${0%/*}/log\"\n";
    let here = "case \"$*\" in *acltype*) printf 'acltype\\tposix\\nxattr\\tsa\\n';; get*) echo z/ROOT/void@voidclust-1;; list*) cat \"${0%/*}/listed\" 2>/dev/null;; esac; exit 0";
    scene.double(doubles, "zfs", &format!("{log}[ \"$1\" != \"$(cat \"${{0%/*}}/fails\" 2>/dev/null)\" ] || exit 1\n{here}"));
    scene.double(doubles, "mount", &format!("{log}for last do :; done; mkdir -p \"$last/etc\""));
    scene.double(doubles, "umount", &format!("{log}rm -r \"$1\"; mkdir \"$1\""));
}

/// Not a test of its own: makes a generation on a machine whose root is a data set.
#[test]
fn on_zfs() {
    let Some(scene) = victims_root() else { return };
    let machine = Machine::find(scene.root.path()).unwrap().unwrap();
    match scene.try_make_on(Some(&machine), &[]) {
        Ok(made) => println!("made {:?}", made.storage),
        Err(error) => return println!("failed: {error:#}"),
    }
    let made = &load(&scene.root).unwrap().made[&1];
    if let Err(error) = remove(&Lock::take(&scene.root).unwrap(), &scene.root, None, made) {
        println!("stays: {error:#}");
    }
}

#[test]
fn a_clone_is_made_below_a_data_set_of_its_own_and_goes_with_its_snapshot() {
    let (dir, _machine) = machine(&[(paths::MOUNTS, &overlay_on("zfs", "z/ROOT/void", "rw"))]);
    let (scene, doubles) = (Scene::found(dir.path()), tempfile::tempdir().unwrap());
    zfs_doubles(&scene, doubles.path());
    let said = scene.victim(&[], "on_zfs", doubles.path()).output().unwrap();
    assert!(said.contains("made Zfs(\"z/voidclust/ROOT/void/1\")"), "{said}");
    let log = || read_to_string(doubles.path().join("log")).unwrap().replace(&dir.path().display().to_string(), "");
    let list = "zfs list -H -t snapshot -o name,clones -d 1 z/ROOT/void\n";
    let folder = "/var/lib/voidclust/generations";
    let begin = format!(
        "zfs create -p -o canmount=off -o mountpoint=none -o com.sun:auto-snapshot=false z/voidclust\n\
         zfs create -p -o canmount=off -o mountpoint=none -o com.sun:auto-snapshot=false z/voidclust/ROOT\n\
         zfs create -p -o canmount=off -o mountpoint=none -o com.sun:auto-snapshot=false z/voidclust/ROOT/void\n\
         zfs snapshot z/ROOT/void@voidclust-1\n\
         zfs get -H -o property,value acltype,xattr z/ROOT/void\n\
         zfs clone -o canmount=noauto -o mountpoint=legacy -o snapdir=disabled -o acltype=posix -o xattr=sa \
         z/ROOT/void@voidclust-1 z/voidclust/ROOT/void/1\n\
         mount -t zfs -o rw z/voidclust/ROOT/void/1 {folder}/.voidclust-1\n"
    );
    let end = format!(
        "umount {folder}/.voidclust-1\n\
         zfs set readonly=on z/voidclust/ROOT/void/1\n\
         mount -t zfs -o ro z/voidclust/ROOT/void/1 {folder}/1\n\
         zfs get -H -o value origin z/voidclust/ROOT/void/1\n\
         zfs destroy -r z/voidclust/ROOT/void/1\n\
         zfs destroy z/ROOT/void@voidclust-1\n"
    );
    assert_eq!(log(), format!("{list}{begin}{end}"));
    assert_eq!(scene.kept(), [""; 0]);
    // A clone that cannot be made, and what two killed runs left, one of them with a clone of somebody's on its snapshot.
    write(doubles.path().join("log"), "").unwrap();
    write(doubles.path().join("fails"), "clone").unwrap();
    let left = "z/ROOT/void@voidclust-1\tz/voidclust/ROOT/void/1\nz/ROOT/void@voidclust-5\tz/mine\nz/ROOT/void@voidclust-shell-1\t-\n\
        z/ROOT/void@voidclust-6\t-\n";
    write(doubles.path().join("listed"), left).unwrap();
    let said = scene.victim(&[], "on_zfs", doubles.path()).output().unwrap();
    assert!(said.contains("failed: generation 1: cannot be made"), "{said}");
    let swept = "zfs get -H -o value origin z/voidclust/ROOT/void/1\nzfs destroy -r z/voidclust/ROOT/void/1\n\
        zfs destroy z/ROOT/void@voidclust-1\nzfs destroy z/ROOT/void@voidclust-6\n";
    let begin = &begin[..begin.find("mount -t").unwrap()];
    assert_eq!(log(), format!("{list}{swept}{begin}{list}{swept}"));
    assert_eq!(scene.kept(), [""; 0]);
}

#[test]
fn what_somebody_holds_of_zfs_hinders_no_other_generation() {
    let (dir, _machine) = machine(&[(paths::MOUNTS, &overlay_on("zfs", "z/ROOT/void", "rw"))]);
    let (scene, doubles) = (Scene::found(dir.path()), tempfile::tempdir().unwrap());
    zfs_doubles(&scene, doubles.path());
    write(doubles.path().join("fails"), "destroy").unwrap();
    write(doubles.path().join("listed"), "z/ROOT/void@voidclust-5\t-\n").unwrap();
    let said = scene.victim(&[], "on_zfs", doubles.path()).output().unwrap();
    assert!(
        said.contains("said generation 5, which is none any more, takes room: `zfs destroy z/ROOT/void@voidclust-5`"),
        "{said}"
    );
    assert!(said.contains("made Zfs"), "{said}");
}

#[test]
fn a_clone_that_is_mounted_elsewhere_is_in_use() {
    let table = overlay_on("zfs", "z/r", "rw") + "40 30 0:60 / /mnt ro - zfs z/voidclust/r/1 ro\n";
    let (dir, machine) = machine(&[(paths::MOUNTS, &table)]);
    let (scene, storage) = (Scene::found(dir.path()), Storage::Zfs("z/voidclust/r/1".to_owned()));
    let lock = Lock::take(&scene.root).unwrap();
    let made = Generation { number: 1, made: 0, text: String::new(), storage, kernels: Vec::new() };
    lock.record_generation(&made).unwrap();
    let error = format!("{:#}", remove(&lock, &scene.root, Some(&machine), &made).unwrap_err());
    assert!(error.contains("generation 1: is in use: it is mounted on /mnt; umount that"), "{error}");
    assert_eq!(scene.kept(), ["1.toml"], "nothing was changed");
}
