package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.scenario.Scenario.Block;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Carries out a scenario: its commands are the table {@link #commands}, its expectations {@link
 * #expectations}. What does not hold is thrown as an AssertionError that names the line.
 */
final class Play {
  /** Whatever is waited for has to come within that, in the time of the stage. */
  private static final long PATIENCE_MILLIS = 1_200_000;

  /** Makes a world from its nodes and whether its instance managers are typed. */
  private final BiFunction<List<String>, Boolean, Stage> stages;

  private final Scenario scenario;

  /** After how many objects stored since {@code watch} the control plane is killed; 0 for never. */
  private final int killAfter;

  private final TreeMap<String, Command> commands = new TreeMap<>();
  private final TreeMap<String, Command> expectations = new TreeMap<>();
  private final List<String> output = new ArrayList<>();
  private final TreeMap<String, String> ticketNodes = new TreeMap<>();
  private @Nullable Stage current;
  private @Nullable Witness watching;
  private String volume = "";
  private int cursor;
  private int startsThen;
  private long errorsThen;
  private boolean wasVerified;
  private boolean wasKilled;

  /** Whether a line that was to be told was not. */
  private boolean hasMissed;

  /** What a line does, and the pattern of such a line. */
  private record Command(Pattern pattern, Consumer<MatchResult> what) {}

  /** A play that has not begun. */
  Play(Scenario scenario, BiFunction<List<String>, Boolean, Stage> stages, int killAfter) {
    this.scenario = scenario;
    this.stages = stages;
    this.killAfter = killAfter;
    commands();
    expectations();
  }

  /** Whether a scenario is to be played again and again, the control plane killed ever later. */
  static boolean isWithKills(Scenario scenario) {
    return scenario.header().stream().anyMatch(line -> line.startsWith("Repeated: "));
  }

  /** Whether the control plane was killed. */
  boolean wasKilled() {
    return wasKilled;
  }

  /** Plays all of it; what each block printed. */
  List<List<String>> run() {
    List<List<String>> outputs = new ArrayList<>();
    for (Block block : scenario.blocks()) {
      for (String line : block.commands()) {
        if (!line.startsWith("#")) {
          run(line.strip());
        }
      }
      print();
      outputs.add(List.copyOf(output));
      output.clear();
    }
    check(wasVerified, scenario.name() + ": the content was never verified");
    settle();
    String leftover = stage().leftover().orElse("");
    check(leftover.isEmpty(), scenario.name() + ", in the end: " + leftover);
    return outputs;
  }

  private void run(String line) {
    boolean isExpectation = line.startsWith("expect ");
    String rest = isExpectation ? line.substring("expect ".length()) : line;
    for (Command command : (isExpectation ? expectations : commands).values()) {
      Matcher matcher = command.pattern().matcher(rest);
      if (matcher.matches()) {
        try {
          command.what().accept(matcher.toMatchResult());
        } catch (AssertionError | RuntimeException e) {
          print();
          throw new AssertionError(
              scenario.name()
                  + ": '"
                  + line
                  + "': "
                  + e.getMessage()
                  + "\nlast lines:\n"
                  + String.join("\n", output)
                  + "\n"
                  + String.join("\n", witness().summary())
                  + "\n"
                  + String.join("\n", witness().fieldLines()),
              e);
        }
        return;
      }
    }
    throw new AssertionError(scenario.name() + ": nobody understands '" + line + "'");
  }

  private void print() {
    if (watching != null) {
      output.addAll(watching.drain());
    }
  }

  private Stage stage() {
    return Objects.requireNonNull(current, "no cluster yet");
  }

  private Witness witness() {
    return Objects.requireNonNull(watching, "no volume yet");
  }

  private void command(String pattern, Consumer<MatchResult> what) {
    commands.put(pattern, new Command(Pattern.compile(pattern), what));
  }

  private void expect(String pattern, Consumer<MatchResult> what) {
    expectations.put(pattern, new Command(Pattern.compile(pattern), what));
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }

  private void await(BooleanSupplier condition, String what) {
    check(stage().runUntil(condition, PATIENCE_MILLIS), what + " does not come");
  }

  private static List<String> words(String text) {
    return List.of(text.strip().split("[ ,]+"));
  }

  // ---- commands ---------------------------------------------------------------------------------

  private void commands() {
    command("cluster( typed)? (.+)", words -> begin(words.group(1) != null, words(words.group(2))));
    command(
        "volume (\\w+) replicas=(\\d)( not migratable)?(?: on (.+))?",
        words -> {
          volume = words.group(1);
          watching = new Witness(stage(), volume);
          stage()
              .create(
                  volume,
                  Integer.parseInt(words.group(2)),
                  words.group(3) == null,
                  words.group(4) == null ? List.of() : words(words.group(4)));
        });
    tickets();
    machines();
    controlPlane();
    guests();
    command("watch", _ -> watch());
    command("sleep ([0-9.]+)(ms|s|m)", words -> sleep(millis(words)));
    command("settle", _ -> settle());
    command(
        "wait (healthy|degraded|faulted)",
        words ->
            await(
                () ->
                    witness()
                        .volume()
                        .filter(found -> found.status().robustness().text().equals(words.group(1)))
                        .isPresent(),
                words.group(1)));
    command(
        "wait log \"(.+)\"",
        words ->
            await(
                () ->
                    witness().toldSince().stream()
                        .anyMatch(event -> event.message().contains(words.group(1))),
                "the line"));
    command(
        "kubectl get volume \\| grep nodeid",
        _ -> {
          print();
          output.add("> " + volume);
          output.addAll(witness().fieldLines());
        });
    command(
        "kubectl get volume",
        _ -> {
          print();
          output.add("> " + volume);
          witness().summary().forEach(line -> output.add("    " + line));
        });
    command(
        "kubectl get pods \\| grep instance-manager",
        _ -> {
          print();
          output.add("> instance managers");
          managers().forEach(line -> output.add("    " + line));
        });
  }

  private void begin(boolean isTyped, List<String> nodes) {
    current = stages.apply(nodes, isTyped);
    stage().whenStored(this::look);
  }

  private void look() {
    if (watching != null) {
      watching.look();
    }
  }

  private void watch() {
    witness().watch();
    cursor = 0;
    startsThen = stage().engineStarts(volume);
    errorsThen = stage().guestErrors(volume);
    if (killAfter > 0) {
      stage().restartControlPlane(killAfter, () -> wasKilled = true);
    }
  }

  private static long millis(MatchResult words) {
    double number = Double.parseDouble(words.group(1));
    return Math.round(
        switch (words.group(2)) {
          case "ms" -> number;
          case "s" -> number * 1_000;
          default -> number * 60_000;
        });
  }

  private void sleep(long millis) {
    long until = stage().nowMillis() + millis;
    stage().runUntil(() -> stage().nowMillis() >= until, millis);
  }

  private void settle() {
    check(stage().settle(PATIENCE_MILLIS), "it never comes to rest");
  }

  private void tickets() {
    command(
        "attach (\\S+) (\\w+)",
        words -> {
          String refusal = stage().attach(volume, words.group(1), words.group(2)).orElse("");
          if (refusal.isEmpty()) {
            ticketNodes.put(words.group(1), words.group(2));
          } else {
            print();
            output.add("> " + words.group(1) + " refused: " + refusal);
          }
        });
    command("delete (va-\\w+)", words -> stage().detach(volume, words.group(1)));
    command("delete volume", _ -> stage().delete(volume));
    command(
        "wait (va-\\w+) attached",
        words -> await(() -> witness().isAttached(words.group(1)), words.group(1) + " attached"));
    command(
        "wait detached",
        _ ->
            await(
                () ->
                    witness()
                        .volume()
                        .filter(found -> found.status().state().text().equals("detached"))
                        .isPresent(),
                "detached"));
    command("wait ready", _ -> awaitReady());
  }

  /** The seed's step 5: the line is logged, M is cM, and Kubernetes calls both attached. */
  private void awaitReady() {
    await(
        () ->
            (wasKilled || isReadyTold())
                && witness()
                    .volume()
                    .filter(found -> !found.spec().migrationNodeID().isEmpty())
                    .filter(found ->
                        found
                            .spec()
                            .migrationNodeID()
                            .equals(found.status().currentMigrationNodeID()))
                    .isPresent()
                && ticketNodes.keySet().stream().allMatch(witness()::isAttached),
        "ready");
  }

  private boolean isReadyTold() {
    return stage().told().stream()
        .anyMatch(event -> event.message().equals("Volume migration engine is ready"));
  }

  private void machines() {
    command(
        "kill instance-manager of (\\w+)", words -> stage().killInstanceManager(words.group(1)));
    command("kill replica on (\\w+)", words -> stage().killReplica(volume, words.group(1)));
    command("(un)?cordon (\\w+)", words -> stage().cordon(words.group(2), words.group(1) == null));
    command("power off (\\w+)", words -> stage().power(words.group(1), false));
    command("power on (\\w+)", words -> stage().power(words.group(1), true));
    command(
        "wait NotReady (\\w+)",
        words -> await(() -> stage().isNotReady(words.group(1)), words.group(1) + " NotReady"));
    command(
        "wait eviction of (\\w+)",
        words -> await(() -> stage().isEvicting(words.group(1)), words.group(1) + " evicted"));
    command(
        "blip of kubelet (\\w+) for ([0-9.]+)(ms|s|m)",
        words ->
            stage().blip(words.group(1), Math.round(Double.parseDouble(words.group(2)) * 1_000)));
    command(
        "partition (.+) \\| (.+)",
        words -> stage().partition(words(words.group(1)), words(words.group(2))));
    command("heal", _ -> stage().heal());
  }

  private void controlPlane() {
    command("restart control plane", _ -> stage().restartControlPlane(0, () -> {}));
    command("setting (\\S+) (\\S+)", words -> stage().setting(words.group(1), words.group(2)));
    command("deploy image (\\w+)", words -> stage().deploy(words.group(1)));
    command(
        "upgrade to (\\w+)",
        words -> {
          String refusal = stage().upgrade(volume, words.group(1)).orElse("");
          if (!refusal.isEmpty()) {
            print();
            output.add("> upgrade refused: " + refusal);
          }
        });
    command(
        "wait image (\\w+)",
        words ->
            await(
                () ->
                    witness()
                        .volume()
                        .filter(found -> found.status().currentImage().equals(words.group(1)))
                        .isPresent(),
                "the image"));
    command(
        "engines take ([0-9.]+)(ms|s|m) to start",
        words -> stage().delayEngineStarts(millis(words)));
    command(
        "kill the new engine (before|after) it has the volume",
        words -> stage().killDuringSwap(words.group(1).equals("before")));
  }

  private void guests() {
    command(
        "guest runs on (\\w+)",
        words -> {
          stage().guestRuns(volume);
          stage().guestMoves(volume, words.group(1));
        });
    command("guest moves to (\\w+)", words -> stage().guestMoves(volume, words.group(1)));
    command(
        "rival (reads|writes) on (\\w+)",
        words -> stage().rival(volume, words.group(2), words.group(1).equals("writes")));
    command("guest is killed", _ -> stage().guestIsKilled(volume));
    command("guest stops", _ -> stage().guestStops(volume));
    command(
        "verify",
        _ -> {
          String wrong = stage().verify(volume).orElse("");
          check(wrong.isEmpty(), wrong);
          wasVerified = true;
          print();
          output.add("> content verified");
        });
  }

  private List<String> managers() {
    return stage().objects(ObjectKind.INSTANCE_MANAGER, InstanceManager.class).stream()
        .map(manager ->
            manager.name()
                + " "
                + manager.nodeID()
                + " "
                + manager.image()
                + " "
                + manager.state().text())
        .toList();
  }

  // ---- expectations -----------------------------------------------------------------------------

  private void expectations() {
    expect("log \"(.+)\"", words -> expectLog(words.group(1)));
    expect(
        "no log \"(.+)\"",
        words ->
            check(
                witness().toldSince().stream()
                    .noneMatch(event -> event.message().contains(words.group(1))),
                "it was logged"));
    expect(
        "event (\\w+)",
        words ->
            check(
                witness().toldSince().stream()
                    .anyMatch(event -> event.reason().equals(words.group(1))),
                "there was no such event"));
    expect(
        "no event (\\w+)",
        words ->
            check(
                witness().toldSince().stream()
                    .noneMatch(event -> event.reason().equals(words.group(1))),
                "there was such an event"));
    expect(
        "(not )?detached",
        words ->
            check(
                witness().wasDetached() == (words.group(1) == null),
                witness().wasDetached() ? "it was" : "it never was"));
    expect(
        "(same|new) engine and replicas",
        words -> {
          String is = "engine " + witness().engineIs() + ", replicas " + witness().replicasAre();
          check(is.equals("engine " + words.group(1) + ", replicas " + words.group(1)), is);
        });
    expect(
        "(same|new) engine",
        words ->
            check(witness().engineIs().equals(words.group(1)), witness().engineIs() + " engine"));
    expect(
        "(engine|replica on (\\w+)) (unknown|running)",
        words -> {
          String is =
              witness()
                  .stateOn(words.group(2) == null ? "" : words.group(2))
                  .map(InstanceView.State::text)
                  .orElse("not there");
          check(is.equals(words.group(3)), "it is " + is);
        });
    expect("fields((?: \\w+=\\w*)*)", words -> expectFields(words.group(1)));
    expect(
        "(va-\\w+) (not )?attached",
        words ->
            check(
                witness().isAttached(words.group(1)) == (words.group(2) == null),
                "it is " + (witness().isAttached(words.group(1)) ? "" : "not")));
    expect(
        "state (\\w+)",
        words -> {
          String state = witness().volume().orElseThrow().status().state().text();
          check(state.equals(words.group(1)), "it is " + state);
        });
    expect(
        "robustness (\\w+)",
        words -> {
          String robustness = witness().volume().orElseThrow().status().robustness().text();
          check(robustness.equals(words.group(1)), "it is " + robustness);
        });
    expect(
        "waits (\\S+)",
        words ->
            check(
                witness().waits().values().stream()
                    .anyMatch(what -> what.reason().equals(words.group(1))),
                "waits: " + witness().waits()));
    expect(
        "(\\d) in sync",
        words ->
            check(
                witness().inSync() == Integer.parseInt(words.group(1)),
                witness().inSync() + " are"));
    expect(
        "(\\d) (engines?|replicas?)",
        words -> {
          boolean isEngine = words.group(2).startsWith("engine");
          int count = isEngine ? witness().engines().size() : witness().replicas().size();
          check(count == Integer.parseInt(words.group(1)), "there are " + count);
        });
    expect(
        "refused \"(.+)\"",
        words ->
            check(
                output.stream()
                    .anyMatch(line -> line.contains("refused: ") && line.contains(words.group(1))),
                "nothing was refused so"));
    expect(
        "nothing refused",
        _ ->
            check(output.stream().noneMatch(line -> line.contains("refused: ")), "it was refused"));
    expect(
        "no engine started",
        _ ->
            check(
                stage().engineStarts(volume) == startsThen,
                stage().engineStarts(volume) - startsThen + " were"));
    expect(
        "(\\d) engines? started",
        words ->
            check(
                stage().engineStarts(volume) - startsThen == Integer.parseInt(words.group(1)),
                stage().engineStarts(volume) - startsThen + " were"));
    expect(
        "no I/O error",
        _ ->
            check(
                stage().guestErrors(volume) == errorsThen,
                stage().guestErrors(volume) - errorsThen + " requests failed"));
    expect(
        "instance managers of (\\w+): (.+)",
        words -> {
          List<String> found = managersOf(words.group(1));
          check(found.equals(words(words.group(2))), "there are " + found);
        });
    expect(
        "engine in (\\w+) instance manager of (\\w+)",
        words -> {
          String found = hostOf();
          check(found.equals(words.group(1) + " " + words.group(2)), "it is in " + found);
        });
    expect("as many directories as replicas", _ -> expectDirectories());
    expect(
        "one process for each directory",
        _ -> {
          List<String> holders =
              witness().replicas().stream()
                  .filter(replica -> replica.status().isHolder())
                  .map(replica -> replica.spec().directory())
                  .sorted()
                  .toList();
          check(holders.equals(List.copyOf(stage().directories())), "they are held: " + holders);
        });
    expect(
        "image (\\w+)",
        words -> {
          String now = witness().volume().orElseThrow().status().currentImage();
          check(now.equals(words.group(1)), "it is " + now);
        });
  }

  private void expectLog(String text) {
    List<Stage.Line> told = witness().toldSince();
    for (int i = cursor; i < told.size(); i++) {
      if (told.get(i).message().contains(text)) {
        cursor = i + 1;
        return;
      }
    }
    if (wasKilled && !hasMissed) {
      // Killed between a change and the line that tells of it: one line, told by nobody any more.
      hasMissed = true;
      return;
    }
    throw new AssertionError("not logged, or not in this order");
  }

  /** All five: one that is not named is empty. */
  private void expectFields(String text) {
    TreeMap<String, String> wanted = new TreeMap<>();
    witness().fields().keySet().forEach(name -> wanted.put(name, ""));
    if (!text.isBlank()) {
      for (String pair : words(text)) {
        String[] parts = pair.split("=", 2);
        check(wanted.put(parts[0], parts[1]) != null, "there is no field " + parts[0]);
      }
    }
    check(wanted.equals(witness().fields()), "they are " + witness().fields());
  }

  /** Type and image of each, for example {@code e/default}. */
  private List<String> managersOf(String node) {
    return stage().objects(ObjectKind.INSTANCE_MANAGER, InstanceManager.class).stream()
        .filter(manager -> manager.nodeID().equals(node))
        .map(manager ->
            switch (manager.type()) {
                  case ENGINE -> "e/";
                  case REPLICA -> "r/";
                  case ALL_IN_ONE -> "aio/";
                }
                + manager.image())
        .sorted()
        .toList();
  }

  private String hostOf() {
    Optional<String> name =
        witness().engine().map(engine -> engine.status().instance().instanceManagerName());
    return stage().objects(ObjectKind.INSTANCE_MANAGER, InstanceManager.class).stream()
        .filter(manager -> Optional.of(manager.name()).equals(name))
        .map(manager -> manager.image() + " " + manager.nodeID())
        .findFirst()
        .orElse("none");
  }

  private void expectDirectories() {
    TreeSet<String> wanted = new TreeSet<>();
    witness().replicas().forEach(replica -> wanted.add(replica.spec().directory()));
    check(
        stage().directories().equals(wanted),
        "there are " + stage().directories() + ", there should be " + wanted);
  }
}
