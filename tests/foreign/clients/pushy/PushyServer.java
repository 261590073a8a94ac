// Runs pushy's mock APNs server as a JSON file says, prints "ready", and writes what it accepted and rejected when it ends.

import com.eatthepath.json.JsonParser;
import com.eatthepath.json.JsonSerializer;
import com.eatthepath.pushy.apns.auth.ApnsVerificationKey;
import com.eatthepath.pushy.apns.server.MockApnsServer;
import com.eatthepath.pushy.apns.server.MockApnsServerBuilder;
import com.eatthepath.pushy.apns.server.MockApnsServerListener;
import com.eatthepath.pushy.apns.server.PushNotificationHandlerFactory;
import com.eatthepath.pushy.apns.server.RejectionReason;
import com.eatthepath.pushy.apns.server.ValidatingPushNotificationHandlerFactory;
import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.http2.Http2Headers;
import java.io.File;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;

public class PushyServer {
    private static final ConcurrentLinkedQueue<List<String>> answers = new ConcurrentLinkedQueue<>();

    @SuppressWarnings("unchecked")
    public static void main(final String[] arguments) throws Exception {
        final Map<String, Object> wanted = new JsonParser().parseJsonObject(Files.readString(Path.of(arguments[0])));
        final String topic = (String) wanted.get("topic");
        final String keyId = (String) wanted.get("key_id");
        final ApnsVerificationKey key = ApnsVerificationKey.loadFromPkcs8File(
            new File((String) wanted.get("public_key_file")), (String) wanted.get("team_id"), keyId);
        final Map<String, Instant> expirations = new HashMap<>();
        for (final Object token : (List<Object>) wanted.get("expired_tokens")) {
            expirations.put((String) token, Instant.now().minusSeconds(86400));
        }
        final Set<String> tokens = new HashSet<>();
        for (final Object token : (List<Object>) wanted.get("tokens")) {
            tokens.add((String) token);
        }
        final PushNotificationHandlerFactory validating = new ValidatingPushNotificationHandlerFactory(
            Map.of(topic, tokens), expirations, Map.of(keyId, key), Map.of(key, Set.of(topic)));
        final MockApnsServer server = new MockApnsServerBuilder()
            .setServerCredentials(
                new File((String) wanted.get("certificate_file")), new File((String) wanted.get("key_file")), null)
            .setMaxConcurrentStreams(((Number) wanted.get("streams")).intValue())
            .setUseAlpn(true)
            .setHandlerFactory(session -> {
                final var handler = validating.buildHandler(session);
                return (headers, payload) -> {
                    headers.set("authorization", withSignatureInDer(headers.get("authorization").toString()));
                    handler.handlePushNotification(headers, payload);
                };
            })
            .setListener(new Listener())
            .build();
        server.start(((Number) wanted.get("port")).intValue()).get();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> write(Path.of((String) wanted.get("report_file")))));
        System.out.println("ready");
        Thread.currentThread().join();
    }

    // pushy signs and verifies in DER alone. RFC 7518 has 64 bytes, which Apple takes too: the same numbers in another form.
    private static String withSignatureInDer(final String authorization) {
        final int dot = authorization.lastIndexOf('.');
        final byte[] raw = Base64.getUrlDecoder().decode(authorization.substring(dot + 1));
        final byte[] r = new BigInteger(1, Arrays.copyOfRange(raw, 0, 32)).toByteArray();
        final byte[] s = new BigInteger(1, Arrays.copyOfRange(raw, 32, raw.length)).toByteArray();
        final byte[] der = new byte[6 + r.length + s.length];
        der[0] = 0x30;
        der[1] = (byte) (4 + r.length + s.length);
        der[2] = 2;
        der[3] = (byte) r.length;
        System.arraycopy(r, 0, der, 4, r.length);
        der[4 + r.length] = 2;
        der[5 + r.length] = (byte) s.length;
        System.arraycopy(s, 0, der, 6 + r.length, s.length);
        return authorization.substring(0, dot + 1) + Base64.getUrlEncoder().withoutPadding().encodeToString(der);
    }

    private static void write(final Path file) {
        final List<Object> seen = new ArrayList<>(answers);
        try {
            Files.writeString(file, JsonSerializer.writeJsonTextAsString(Map.of("answers", seen)));
        } catch (final java.io.IOException error) {
            System.err.println(error);
        }
    }

    private static final class Listener implements MockApnsServerListener {
        @Override
        public void handlePushNotificationAccepted(final Http2Headers headers, final ByteBuf payload) {
            answers.add(List.of(headers.path().toString(), "accepted"));
        }

        @Override
        public void handlePushNotificationRejected(
            final Http2Headers headers, final ByteBuf payload, final RejectionReason reason, final Instant since) {
            answers.add(List.of(headers.path().toString(), reason.name()));
        }
    }
}
