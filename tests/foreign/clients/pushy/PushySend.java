// Sends cases by pushy and prints what it said of each: a JSON document on standard input, JSON lines out.

import com.eatthepath.json.JsonParser;
import com.eatthepath.json.JsonSerializer;
import com.eatthepath.pushy.apns.ApnsClient;
import com.eatthepath.pushy.apns.ApnsClientBuilder;
import com.eatthepath.pushy.apns.DeliveryPriority;
import com.eatthepath.pushy.apns.PushNotificationResponse;
import com.eatthepath.pushy.apns.PushType;
import com.eatthepath.pushy.apns.auth.ApnsSigningKey;
import com.eatthepath.pushy.apns.util.SimpleApnsPushNotification;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

public class PushySend {
    private static Map<String, Object> server;
    private static final Map<String, ApnsClient> clients = new HashMap<>();

    @SuppressWarnings("unchecked")
    public static void main(String[] arguments) throws Exception {
        final String input = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        final Map<String, Object> request = new JsonParser().parseJsonObject(input);
        server = (Map<String, Object>) request.get("server");
        final Map<String, Future<PushNotificationResponse<SimpleApnsPushNotification>>> atOnce = new LinkedHashMap<>();
        for (final Object item : (List<Object>) request.get("cases")) {
            final Map<String, Object> wanted = (Map<String, Object>) item;
            final ApnsClient client = clientFor(wanted);
            final Future<PushNotificationResponse<SimpleApnsPushNotification>> answer =
                client.sendNotification(notificationFor(wanted));
            if (wanted.containsKey("at_once")) {
                atOnce.put((String) wanted.get("name"), answer);
            } else {
                print((String) wanted.get("name"), answer);
            }
        }
        for (final var entry : atOnce.entrySet()) {
            print(entry.getKey(), entry.getValue());
        }
        for (final ApnsClient client : clients.values()) {
            client.close().get();
        }
    }

    private static String of(final Map<String, Object> wanted, final String name) {
        return (String) wanted.getOrDefault(name, server.get(name));
    }

    private static ApnsClient clientFor(final Map<String, Object> wanted) throws Exception {
        final String identity = of(wanted, "key_file") + " " + of(wanted, "key_id") + " " + of(wanted, "team_id");
        if (!clients.containsKey(identity)) {
            clients.put(identity, new ApnsClientBuilder()
                .setApnsServer((String) server.get("host"), ((Number) server.get("port")).intValue())
                .setTrustedServerCertificateChain(new File((String) server.get("ca_file")))
                .setSigningKey(ApnsSigningKey.loadFromPkcs8File(
                    new File(of(wanted, "key_file")), of(wanted, "team_id"), of(wanted, "key_id")))
                .build());
        }
        return clients.get(identity);
    }

    private static SimpleApnsPushNotification notificationFor(final Map<String, Object> wanted) {
        final Number expiration = (Number) wanted.get("expiration");
        final Number priority = (Number) wanted.get("priority");
        final String type = (String) wanted.get("push_type");
        return new SimpleApnsPushNotification(
            (String) wanted.get("token"),
            (String) wanted.get("topic"),
            (String) wanted.get("payload"),
            expiration == null ? null : Instant.ofEpochSecond(expiration.longValue()),
            priority == null ? null : DeliveryPriority.getFromCode(priority.intValue()),
            type == null ? null : PushType.getFromHeaderValue(type),
            (String) wanted.get("collapse_id"),
            UUID.fromString((String) wanted.get("id")));
    }

    private static void print(
        final String name, final Future<PushNotificationResponse<SimpleApnsPushNotification>> answer) throws Exception {
        final Map<String, Object> said = new LinkedHashMap<>();
        try {
            final PushNotificationResponse<SimpleApnsPushNotification> response = answer.get();
            said.put("accepted", response.isAccepted());
            said.put("status", response.getStatusCode());
            if (response.getApnsId() != null) {
                said.put("id", response.getApnsId().toString());
            }
            response.getRejectionReason().ifPresent(reason -> said.put("reason", reason));
            response.getTokenInvalidationTimestamp().ifPresent(at -> said.put("invalidated", true));
        } catch (final ExecutionException error) {
            said.put("failed", error.getCause().getClass().getSimpleName());
        }
        final Map<String, Object> line = new LinkedHashMap<>();
        line.put("case", name);
        line.put("said", said);
        System.out.println(JsonSerializer.writeJsonTextAsString(line));
    }
}
