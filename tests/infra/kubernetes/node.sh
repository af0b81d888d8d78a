#!/usr/bin/env bash
# Does something to a node of the running cluster:
#
#   node.sh cut NODE       pulls its cable: it turns NotReady, its pods live on unseen
#   node.sh kill NODE      takes its power: its pods and daemons are gone, without a word to anybody
#   node.sh restore NODE   brings it back from either, and waits until it is Ready
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "$0")/lib/all.sh"
[ $# -ge 2 ] || fail "usage: node.sh cut|kill|restore NODE" 64
[ -e "/run/netns/$(node_namespace "$2")" ] || fail "the cluster $name has no node $2" 64
exec 9>"${run%/*}/$name.lock"
flock 9
case $1 in
    cut) node_cut "$2" ;;
    kill) node_kill "$2" ;;
    restore) node_restore "$2" ;;
    *) fail "node.sh: '$1' is not cut, kill or restore" 64 ;;
esac
