"""A peer of the matrix, by py-spiffe: it follows its identity, answers by mTLS, and does what its
standard input asks for, one JSON object a line (see ../peer.ts)."""

import json
import socket
import sys
import threading

from cryptography import x509
from OpenSSL import SSL
from spiffe import JwtSource, JwtSvid, WorkloadApiClient, X509Source
from spiffetls import create_ssl_context

PATIENCE = 10
output = threading.Lock()


def emit(**fields):
    with output:
        print(json.dumps(fields), flush=True)


def id_of(certificate):
    names = certificate.to_cryptography().extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)[0]


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        line += connection.recv(1024)
    return line.decode().strip()


class Peer:
    def __init__(self, address):
        self.client = WorkloadApiClient(socket_path=address)
        self.x509 = X509Source(socket_path=address, timeout_in_seconds=120)
        self.jwt = JwtSource(socket_path=address, timeout_in_seconds=120)
        self.x509.subscribe_for_updates(self.tell_identity)
        self.serve()
        self.tell_identity()

    def tell_identity(self):
        svid = self.x509.svid
        emit(svid=str(svid.spiffe_id), serial=format(svid.leaf.serial_number, "x"))

    def serve(self):
        listener = socket.create_server(("127.0.0.1", 0))
        emit(listening=listener.getsockname()[1])

        def accept():
            while True:
                plain, _ = listener.accept()
                threading.Thread(target=self.tell, args=(plain,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def connection(self, method, plain, authorize):
        # A context of its own: one in use is never given a newer certificate by this library.
        context = create_ssl_context(method, self.x509, authorize_fn=authorize)
        plain.settimeout(None)
        return SSL.Connection(context, plain)

    def tell(self, plain):
        try:
            connection = self.connection(SSL.TLS_SERVER_METHOD, plain, lambda _: True)
            connection.set_accept_state()
            connection.do_handshake()
            read_line(connection)
            peer = id_of(connection.get_peer_certificate())
            connection.sendall(f"{peer}\n".encode())
            connection.shutdown()
        except Exception as error:  # whoever dialled hears of it as a broken connection
            print(f"refused: {error!r}", file=sys.stderr)
        finally:
            plain.close()

    def dial(self, order):
        host, port = order["address"].split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as plain:
            connection = self.connection(
                SSL.TLS_CLIENT_METHOD,
                plain,
                lambda certificate: id_of(certificate) == order["expect"],
            )
            connection.set_connect_state()
            connection.do_handshake()
            connection.sendall(b"who am I\n")
            told = read_line(connection)
            return {"peer": id_of(connection.get_peer_certificate()), "toldAs": told}

    def token(self, order):
        svid = self.client.fetch_jwt_svid(audience={order["audience"]})
        return {"token": svid.token}

    def check(self, order):
        token, audience = order["token"], order["audience"]
        by_server = self.client.validate_jwt_svid(token, audience)
        domain = by_server.spiffe_id.trust_domain
        bundle = self.jwt.get_bundle_for_trust_domain(domain)
        local = JwtSvid.parse_and_validate(token, bundle, {audience})
        return {"byServer": str(by_server.spiffe_id), "local": str(local.spiffe_id)}

    def answer(self, order):
        try:
            result = {"dial": self.dial, "token": self.token, "check": self.check}[order["do"]](order)
        except Exception as error:
            result = {"error": repr(error)}
        emit(n=order["n"], **result)


peer = Peer(sys.argv[1])
for line in sys.stdin:
    threading.Thread(target=peer.answer, args=(json.loads(line),), daemon=True).start()
