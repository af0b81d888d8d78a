# One authority for the whole cluster, certificates from it, and kubeconfigs with them.

authority() {
    mkdir -p "$pki"
    chmod 700 "$pki"
    [ -f "$pki/sa.pub" ] && return
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=splade-test-cluster \
        -keyout "$pki/ca.key" -out "$pki/ca.crt" -addext 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature' 2>/dev/null
    openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null
    openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
}

certificate() { # name, subject, subject alternative names
    local path=$pki/$1
    [ -f "$path.crt" ] && return
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
        -keyout "$path.key" -out "$path.csr" 2>/dev/null
    {
        echo keyUsage=critical,digitalSignature,keyEncipherment
        echo extendedKeyUsage=clientAuth,serverAuth
        [ -z "${3:-}" ] || echo "subjectAltName=$3"
    } >"$path.ext"
    openssl x509 -req -in "$path.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 30 \
        -extfile "$path.ext" -out "$path.crt" 2>/dev/null
}

kubeconfig() { # certificate, server, file
    cat >"$3" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: $name
  cluster:
    server: $2
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$pki/$1.crt")
    client-key-data: $(base64 -w0 "$pki/$1.key")
contexts:
- name: $name
  context:
    cluster: $name
    user: $1
current-context: $name
EOF
    chmod 600 "$3"
}

client() { # name, subject
    certificate "$1" "$2"
    kubeconfig "$1" "https://$control_plane_address:6443" "$pki/$1.conf"
}

control_plane_pki() {
    local service=kubernetes.default.svc
    authority
    certificate apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:$service,\
DNS:$service.cluster.local,IP:127.0.0.1,IP:$control_plane_address,IP:$kubernetes_service"
    certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet
    certificate front-proxy /CN=front-proxy
    client admin /O=system:masters/CN=admin
    kubeconfig admin "https://127.0.0.1:$api_port" "$run/kubeconfig"
}
