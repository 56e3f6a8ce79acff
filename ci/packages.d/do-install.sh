#!/bin/bash
# do-install.sh PACKAGE-FOLDER DESTDIR - what a package installs, without xbps-src
#
# Runs the template's do_install (and post_install) into DESTDIR with just as much of xbps-src as our templates use,
# then makes the folders of make_dirs and those of INSTALL. A template that needs more fails here with `command not found`: either the
# template stays within these functions, or the function is added.
#
# VOIDCLUST_BIN names the built helper, LAY_OVERLAYS the other program of the crate (beside the first unless given); the
# package `voidclust` is built by cargo, which this does not run.
# Owners are set only when run by root.

set -euo pipefail
umask 022

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

[[ $# -eq 2 ]] || die "usage: ${0##*/} PACKAGE-FOLDER DESTDIR"
[[ -r $1/template ]] || die "$1: no template here"
package=$(cd "$1" && pwd)
mkdir -p "$2"

# The interface of xbps-src to a template.
FILESDIR=$package/files
DESTDIR=$(cd "$2" && pwd)
PKGDESTDIR=$DESTDIR
XBPS_TARGET_MACHINE=$(uname -m)
export FILESDIR DESTDIR PKGDESTDIR XBPS_TARGET_MACHINE

vinstall() { install -Dm"$2" -- "$1" "$DESTDIR/$3/${4:-${1##*/}}"; }
vbin() { vinstall "$1" 755 usr/bin "${2-}"; }
vconf() { vinstall "$1" 644 etc "${2-}"; }
vdoc() { vinstall "$1" 644 "usr/share/doc/$pkgname" "${2-}"; }
vlicense() { vinstall "$1" 644 "usr/share/licenses/$pkgname" "${2-}"; }
vman() { vinstall "$1" 644 "usr/share/man/man${1##*.}"; }
vmkdir() { install -dm"${2:-755}" -- "$DESTDIR/$1"; }
vtargetrun() { "$@"; }

# The pattern is quoted in templates and expanded here, as in xbps-src.
# shellcheck disable=SC2086
vcopy() { cp -R --preserve=mode,timestamps,links -- $1 "$DESTDIR/$2"; }

vsv() {
	vmkdir etc/sv
	vcopy "$FILESDIR/$1" etc/sv
	chmod 755 "$DESTDIR/etc/sv/$1/run"
	ln -s "/run/runit/supervise.$1" "$DESTDIR/etc/sv/$1/supervise"
}

vcompletion() {
	case $2 in
	bash) vinstall "$1" 644 usr/share/bash-completion/completions "${3:-$pkgname}" ;;
	fish) vinstall "$1" 644 usr/share/fish/vendor_completions.d "${3:-$pkgname}.fish" ;;
	zsh) vinstall "$1" 644 usr/share/zsh/site-functions "_${3:-$pkgname}" ;;
	*) die "vcompletion: unknown shell $2" ;;
	esac
}

pkgname='' build_style='' conf_files='' make_dirs=''
# shellcheck source=/dev/null
. "$package/template"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

case $build_style in
'') cd "$work" ;;
cargo)
	[[ -x ${VOIDCLUST_BIN-} ]] || die "$pkgname is built by cargo: name the built program in VOIDCLUST_BIN"
	VOIDCLUST_BIN=$(realpath -- "$VOIDCLUST_BIN")
	# post_install writes beside the sources: give it links to them, not the checkout itself.
	for entry in "$package"/../../*; do
		ln -s "$(realpath -- "$entry")" "$work/"
	done
	cd "$work"
	do_install() {
		vbin "$VOIDCLUST_BIN" "$pkgname"
		vbin "${LAY_OVERLAYS:-${VOIDCLUST_BIN%/*}/lay-overlays}" lay-overlays
	}
	;;
*) die "$pkgname: build_style=$build_style is unknown here" ;;
esac

do_install
if declare -F post_install >/dev/null; then
	post_install
fi

for file in $conf_files; do
	[[ -f $DESTDIR$file ]] || die "$pkgname: conf_files names $file, which is not installed"
done

# shellcheck disable=SC2086
set -- $make_dirs
[[ $(($# % 4)) -eq 0 ]] || die "$pkgname: make_dirs wants four fields a line"
while [[ $# -gt 0 ]]; do
	install -dm"$2" -- "$DESTDIR$1"
	if [[ $EUID -eq 0 ]]; then
		chown "$3:$4" "$DESTDIR$1"
	fi
	shift 4
done

# The site's folders. There is no helper here that it could call.
if [[ -e $package/INSTALL ]]; then
	(cd "$DESTDIR" && ACTION=post PKGNAME=$pkgname sh "$package/INSTALL")
fi
