# Processes of the cluster: started in the background, recorded, and stopped by that record alone.

# When a process began, in ticks since boot: with it a recorded id cannot mean a later process. Empty where none runs;
# one that has ended and that nobody has asked for its exit code (Z) does not run.
start_time() { sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

running() { # name
    local id began
    [ -f "$run/pid/$1" ] || return 1
    read -r id began <"$run/pid/$1"
    [ "$(start_time "$id")" = "$began" ]
}

# The program must not fork: what is recorded is what runs.
start() { # name, command...
    running "$1" && return
    mkdir -p "$run"/{pid,log}
    setsid "${@:2}" </dev/null >>"$run/log/$1.log" 2>&1 9>&- &
    echo "$! $(start_time $!)" >"$run/pid/$1"
}

process_id() { cut -d' ' -f1 "$run/pid/$1"; }

# Ends it with TERM, and with KILL after some seconds; with 0 seconds at once.
stop() { # name, seconds
    local id tick
    if running "$1"; then
        id=$(process_id "$1")
        [ "$2" = 0 ] || kill -TERM "$id" 2>/dev/null || true
        for ((tick = 0; tick < $2 * 10; tick++)); do
            running "$1" || break
            sleep 0.1
        done
        while running "$1"; do
            kill -KILL "$id" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$run/pid/$1"
}

await() { # seconds, what, command...
    local tick
    for ((tick = 0; tick < $1 * 10; tick++)); do
        "${@:3}" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "$2 did not come within $1 s; logs are in $run/log"
}
