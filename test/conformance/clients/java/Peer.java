// A peer of the matrix, by java-spiffe: it follows its identity, answers by mTLS, and does what its
// standard input asks for, one JSON object a line (see ../peer.ts).

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import io.spiffe.internal.CertificateUtils;
import io.spiffe.provider.SpiffeSslContextFactory;
import io.spiffe.provider.SpiffeSslContextFactory.SslContextOptions;
import io.spiffe.spiffeid.SpiffeId;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.workloadapi.DefaultJwtSource;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.JwtSource;
import io.spiffe.workloadapi.JwtSourceOptions;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

public final class Peer {
    private static final int PATIENCE_MS = 10_000;
    private static final Gson GSON = new Gson();

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final WorkloadApiClient client;
    private final DefaultX509Source x509;
    private final JwtSource jwt;

    private Peer(String address) throws Exception {
        client = DefaultWorkloadApiClient.newClient(
                DefaultWorkloadApiClient.ClientOptions.builder().spiffeSocketPath(address).build());
        x509 = DefaultX509Source.newSource(
                DefaultX509Source.X509SourceOptions.builder().spiffeSocketPath(address).build());
        jwt = DefaultJwtSource.newSource(
                JwtSourceOptions.builder().spiffeSocketPath(address).build());
    }

    public static void main(String[] args) throws Exception {
        Peer peer = new Peer(args[0]);
        peer.serve();
        peer.client.watchX509Context(new Watcher<X509Context>() {
            @Override
            public void onUpdate(X509Context update) {
                X509Svid svid = update.getDefaultSvid();
                JsonObject line = new JsonObject();
                line.addProperty("svid", svid.getSpiffeId().toString());
                line.addProperty("serial", svid.getLeaf().getSerialNumber().toString(16));
                emit(line);
            }

            @Override
            public void onError(Throwable error) {
                System.err.println("watch: " + error);
            }
        });
        BufferedReader lines = reader(System.in);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject order = GSON.fromJson(line, JsonObject.class);
            peer.threads.execute(() -> peer.answer(order));
        }
        System.exit(0);
    }

    private static synchronized void emit(JsonObject line) {
        System.out.println(GSON.toJson(line));
        System.out.flush();
    }

    private static BufferedReader reader(java.io.InputStream from) {
        return new BufferedReader(new InputStreamReader(from, StandardCharsets.UTF_8));
    }

    private SSLContext context(SslContextOptions.SslContextOptionsBuilder options) throws Exception {
        return SpiffeSslContextFactory.getSslContext(options.x509Source(x509).build());
    }

    private void serve() throws Exception {
        // Only members of the trust domain have a bundle here.
        SSLContext context = context(SslContextOptions.builder().acceptAnySpiffeId());
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        listener.setNeedClientAuth(true);
        JsonObject line = new JsonObject();
        line.addProperty("listening", listener.getLocalPort());
        emit(line);
        threads.execute(() -> {
            try {
                while (true) {
                    SSLSocket socket = (SSLSocket) listener.accept();
                    threads.execute(() -> tell(socket));
                }
            } catch (IOException error) {
                System.err.println("accept: " + error);
            }
        });
    }

    /** Answers a line with the ID of whoever wrote it. */
    private static void tell(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(PATIENCE_MS);
            String id = idOf(socket);
            reader(socket.getInputStream()).readLine();
            socket.getOutputStream().write((id + "\n").getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().flush();
        } catch (Exception error) {
            System.err.println("refused: " + error);
        }
    }

    private static String idOf(SSLSocket socket) throws Exception {
        X509Certificate leaf = (X509Certificate) socket.getSession().getPeerCertificates()[0];
        return CertificateUtils.getSpiffeId(leaf).toString();
    }

    private void answer(JsonObject order) {
        JsonObject result = new JsonObject();
        try {
            perform(order, result);
        } catch (Exception error) {
            result = new JsonObject();
            result.addProperty("error", error.toString());
        }
        result.add("n", order.get("n"));
        emit(result);
    }

    private void perform(JsonObject order, JsonObject result) throws Exception {
        switch (text(order, "do")) {
            case "dial" -> dial(order, result);
            case "token" ->
                result.addProperty("token", client.fetchJwtSvid(text(order, "audience")).getToken());
            case "check" -> {
                String audience = text(order, "audience");
                String token = text(order, "token");
                JwtSvid byServer = client.validateJwtSvid(token, audience);
                JwtSvid local = JwtSvid.parseAndValidate(token, jwt, Set.of(audience));
                result.addProperty("byServer", byServer.getSpiffeId().toString());
                result.addProperty("local", local.getSpiffeId().toString());
            }
            default -> throw new IllegalArgumentException("cannot do " + text(order, "do"));
        }
    }

    private void dial(JsonObject order, JsonObject result) throws Exception {
        SpiffeId expected = SpiffeId.parse(text(order, "expect"));
        SSLContext context = context(
                SslContextOptions.builder().acceptedSpiffeIdsSupplier(() -> Set.of(expected)));
        String[] address = text(order, "address").split(":");
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory()
                .createSocket(address[0], Integer.parseInt(address[1]))) {
            socket.setSoTimeout(PATIENCE_MS);
            socket.getOutputStream().write("who am I\n".getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().flush();
            result.addProperty("toldAs", reader(socket.getInputStream()).readLine());
            result.addProperty("peer", idOf(socket));
        }
    }

    private static String text(JsonObject order, String field) {
        return order.get(field).getAsString();
    }
}
