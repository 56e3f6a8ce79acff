# The hook rclocal: what it runs at boot, and what it refuses to build.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

load() {
	. "$initcpio/hooks/rclocal"
	rclocal_dir="$T/rclocal"
}

script() {
	file "$T/rclocal/$1" "#!/bin/sh
$2"
	chmod 755 "$T/rclocal/$1"
}

test_each_script_runs_at_its_stage() {
	load
	for stage in earlyhook hook latehook cleanup; do
		script "$stage" "echo this is $stage"
	done
	same "$(run_earlyhook)" "this is earlyhook"
	same "$(run_hook)" "this is hook"
	same "$(run_latehook)" "this is latehook"
	same "$(run_cleanuphook)" "this is cleanup"
}

test_a_stage_without_a_script_is_quiet() {
	load
	same "$(
		run_hook
		run_latehook
	)" ""
}

test_a_failing_script_is_reported_and_the_boot_goes_on() {
	load
	script hook 'exit 7'
	same "$(
		run_hook
		echo on
	)" "ERROR: rclocal_hook ended with status 7; going on
on"
}

# The build part is bash, run the way mkinitcpio does: it counts failed add_*.
build() {
	needs bash
	bash -c '
		error() { printf "ERROR: $1\n" "${@:2}"; return 1; }
		add_binary() { echo "add $*"; }
		add_runscript() { :; }
		errors=0
		set -o functrace
		trap '\''(( $? )) && [[ "$FUNCNAME" == add_* ]] && (( ++errors ))'\'' RETURN
		. "$1"
		eval "$2"
		build
		exit "$errors"
	' - "$initcpio/install/rclocal" "$1"
}

test_named_scripts_go_into_the_image_executable() {
	file "$T/early" '#!/bin/sh'
	ok build "rclocal_earlyhook=$T/early rclocal_cleanup=$T/early" >"$T/out"
	contains "$(cat "$T/out")" "add $T/early /usr/lib/rclocal/earlyhook 755"
	contains "$(cat "$T/out")" "add $T/early /usr/lib/rclocal/cleanup 755"
}

test_a_missing_script_fails_the_build_with_a_message() {
	said="$(build "rclocal_hook=$T/nothing")" && fail "the build went on: $said"
	contains "$said" "rclocal_hook names '$T/nothing', which is not there"
}

test_a_relative_name_fails_the_build_with_a_message() {
	said="$(build "rclocal_latehook=script.sh")" && fail "the build went on: $said"
	contains "$said" "by its absolute path, not 'script.sh'"
}
