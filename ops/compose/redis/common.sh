# What the scripts beside this one share; sourced.
SERVICE=main
SENTINEL_PORT=26379
SERVER_PORT=6379
DATA=${DATA:-/data}
SECRETS=${SECRETS:-/run/secrets}

# A secret by name.
secret() {
  cat "$SECRETS/$1"
}

# An ACL file: each >@name@ becomes the hash of that secret, so that the file holds none.
users() {
  script=
  for name in $(sed '/^#/d' "$1" | grep -o '@[a-z_]*@' | tr -d @ | sort -u); do
    hash=$(secret "$name" | sha256sum | cut -d' ' -f1)
    script="$script;s/>@$name@/#$hash/"
  done
  sed -e '/^#/d' -e '/^$/d' -e "${script#;}" "$1"
}

# ask ADDRESS PORT USER SECRET COMMAND…: the reply, a line an element. Fails after two seconds.
ask() {
  address=$1 port=$2 user=$3 password=$(secret "$4")
  shift 4
  REDISCLI_AUTH=$password timeout 2 valkey-cli -h "$address" -p "$port" --user "$user" --no-auth-warning "$@" 2>/dev/null
}

# "epoch address" of the master, as the Sentinel at this address knows it; nothing if it does not answer.
master_by_sentinel() {
  ask "$1" "$SENTINEL_PORT" mentiongraph sentinel_password sentinel master "$SERVICE" |
    awk '$0 == "ip" { getline; ip = $0 } $0 == "config-epoch" { getline; epoch = $0 } END { if (ip) print epoch, ip }'
}
