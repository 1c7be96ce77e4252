package io.longhorn.standalone.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.ClusterProcesses;
import io.longhorn.standalone.Workbench;
import io.longhorn.standalone.Workbench.Outcome;
import io.longhorn.standalone.chaos.Victims.Role;
import io.longhorn.standalone.report.VolumeReport;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random trouble under a verifying client. After every few troubles the volume has to become
 * healthy by itself, to hold what was answered, and to have equal replicas. The seed decides which
 * troubles there are, not how they meet what the processes are doing: {@code -Dlonghorn.seed} and
 * {@code -Dlonghorn.chaos.seconds} choose others, and for how long.
 */
@Timeout(7200)
final class ClusterChaosIT {
  private static final long SEED = Long.getLong("longhorn.seed", 1);
  private static final long SECONDS = Long.getLong("longhorn.chaos.seconds", 25);

  private static final List<Role> ROLES = List.of(Role.values());
  private static final String VOLUME = "vol";
  private static final long SIZE = 32L << 20;
  private static final String GENERATOR = "L64X128MixRandom";
  private static final long SETTLE_NANOS = TimeUnit.SECONDS.toNanos(120);
  private static final int LONGEST_PAUSE_MILLIS = 1500;
  private static final int LONGEST_STOP_MILLIS = 6000;
  private static final int MOST_TROUBLES = 8;
  private static final int TAIL_LINES = 60;

  @TempDir Path home;
  private final RandomGenerator random = RandomGeneratorFactory.of(GENERATOR).create(SEED);
  private final List<String> journal = new ArrayList<>();
  private final TreeSet<String> off = new TreeSet<>();
  private final long begin = System.nanoTime();
  private Workbench bench;
  private ClusterProcesses cluster;
  private Victims victims;
  private StubbornClient client;
  private String node = "node-1";
  private int troubles;

  @BeforeEach
  void up() {
    bench = new Workbench(home);
    cluster = ClusterProcesses.up(bench);
    victims = new Victims(cluster);
    client = new StubbornClient(SEED, SIZE, cluster.attached(VOLUME, SIZE, node));
  }

  @AfterEach
  void down() {
    bench.close();
  }

  @Test
  void aVolumeIsHealthyWithEveryAnsweredWriteAfterAnyTrouble() {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
    try {
      do {
        client.start();
        for (int left = 1 + random.nextInt(MOST_TROUBLES); left > 0; left--) {
          trouble();
          pause();
        }
        settle();
      } while (System.nanoTime() - deadline < 0);
      assertThat(client.refusals()).as("calls that failed on a live connection").isEmpty();
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError(
          "seed " + SEED + ": " + e.getMessage() + "\n" + String.join("\n", journal) + state(), e);
    }
    System.out.println(
        troubles
            + " troubles with seed "
            + SEED
            + ": "
            + client.answers()
            + " answers on "
            + client.connections()
            + " connections");
  }

  private void say(String what) {
    journal.add("%8.3f  %s".formatted((System.nanoTime() - begin) / 1e9, what));
  }

  // ---- trouble ----------------------------------------------------------------------------------

  private void trouble() {
    troubles++;
    switch (random.nextInt(15)) {
      case 0 -> kill(Role.REPLICA);
      case 1 -> kill(Role.ENGINE);
      case 2 -> kill(Role.INSTANCE_MANAGER);
      case 3 -> kill(Role.DAEMON);
      case 4, 5 -> {
        Role one = anyRole();
        kill(one);
        kill(anyRole());
      }
      case 6 -> {
        say("kill every replica");
        victims.of(Role.REPLICA).forEach(ProcessHandle::destroyForcibly);
      }
      case 7 -> {
        say("kill everything");
        cluster.killEverything();
      }
      case 8 -> stop(Role.REPLICA);
      case 9 -> stop(Role.ENGINE);
      case 10 -> stop(Role.INSTANCE_MANAGER);
      case 11 -> stop(Role.DAEMON);
      case 12 -> power();
      case 13 -> move();
      case 14 -> {
        requireDaemon();
        Outcome outcome = cluster.tryRun("snapshot", "create", VOLUME, "s" + troubles);
        say("snapshot: " + outcome.text().strip());
      }
      default -> throw new IllegalStateException();
    }
  }

  private Role anyRole() {
    return ROLES.get(random.nextInt(ROLES.size()));
  }

  private void kill(Role role) {
    List<ProcessHandle> running = victims.of(role);
    int choice = random.nextInt(3);
    if (running.isEmpty()) {
      say("kill " + role + ": none is there");
      return;
    }
    ProcessHandle victim = running.get(choice % running.size());
    say("kill " + role + " " + victim.pid());
    if (role != Role.DAEMON) {
      victim.destroyForcibly();
      return;
    }
    // One that is about to end would be asked something.
    ClusterProcesses.kill(victim.pid());
    if (random.nextBoolean()) {
      requireDaemon();
    }
  }

  private void stop(Role role) {
    List<ProcessHandle> running = victims.of(role);
    int choice = random.nextInt(3);
    int millis = random.nextInt(LONGEST_STOP_MILLIS);
    if (running.isEmpty()) {
      say("stop " + role + ": none is there");
      return;
    }
    ProcessHandle victim = running.get(choice % running.size());
    say("stop " + role + " " + victim.pid() + " for " + millis + " ms");
    victims.stop(victim, millis);
  }

  /** Of one node at a time. */
  private void power() {
    requireDaemon();
    String which = anyNode();
    if (off.isEmpty()) {
      say("fail " + which);
      off.add(which);
      cluster.run("node", "fail", which);
    } else {
      recover();
    }
  }

  private void recover() {
    for (String which : off) {
      say("recover " + which);
      cluster.run("node", "recover", which);
    }
    off.clear();
  }

  private String anyNode() {
    return "node-" + (1 + random.nextInt(3));
  }

  /** Whether it has got anywhere yet or not. */
  private void move() {
    String target = anyNode();
    boolean isPatient = random.nextBoolean();
    if (off.contains(target)) {
      say("no move to " + target + ": it is off");
      return;
    }
    requireDaemon();
    say((isPatient ? "move" : "move without waiting") + " from " + node + " to " + target);
    List<String> wait =
        isPatient ? List.of("--timeout", ClusterProcesses.seconds()) : List.of("--no-wait");
    run(wait, "volume", "detach", VOLUME, "--all");
    run(wait, "volume", "attach", VOLUME, "--node", target);
    client.moveTo(client.uri().replace("-" + node + ".nbd", "-" + target + ".nbd"));
    node = target;
    say("moved");
  }

  private void run(List<String> options, String... command) {
    List<String> words = new ArrayList<>(List.of(command));
    words.addAll(options);
    cluster.run(words.toArray(String[]::new));
  }

  /** Before a command. */
  private void requireDaemon() {
    List<ProcessHandle> daemons = victims.of(Role.DAEMON);
    if (daemons.isEmpty()) {
      say("up");
      cluster.up();
    }
    daemons.forEach(victims::goOn);
  }

  private void pause() {
    int millis = random.nextInt(LONGEST_PAUSE_MILLIS);
    if (random.nextBoolean()) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
    }
    client.assertNoMismatch();
  }

  // ---- and what has to come of it ---------------------------------------------------------------

  /**
   * What is stopped goes on by itself soon. A report may be older than that, and than the last
   * trouble: what is not so yet is looked at again.
   */
  private void settle() {
    long deadline = System.nanoTime() + SETTLE_NANOS;
    requireDaemon();
    recover();
    say("settle");
    while (!isSettled()) {
      assertThat(System.nanoTime() - deadline).as("it is not as wanted in time").isNegative();
      client.start();
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
    }
    say("settled");
  }

  private boolean isSettled() {
    VolumeReport now = cluster.awaitHealthy(VOLUME);
    if (!now.currentNodeID().equals(node) || now.endpoints().isEmpty() || !isAlive(now)) {
      return false;
    }
    assertThat(ClusterProcesses.uri(now)).isEqualTo(client.uri());
    client.awaitProgress();
    client.stop();
    if (!client.verify()) {
      say("the connection broke");
      return false;
    }
    Outcome check = cluster.tryRun("volume", "check", VOLUME);
    if (!check.text().contains("on 3 in-sync replicas")) {
      say(check.text().strip());
      return false;
    }
    assertThat(check.text()).contains("on 3 in-sync replicas: identical");
    assertThat(check.exitCode()).isZero();
    return true;
  }

  private static boolean isAlive(VolumeReport now) {
    return Stream.concat(
            Stream.of(now.engine().pid()),
            now.replicas().stream().map(VolumeReport.ReplicaReport::pid))
        .allMatch(pid -> ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isPresent());
  }

  /** For whoever has to find out why. */
  private String state() {
    StringBuilder text = new StringBuilder();
    text.append("\n==== volume\n").append(told("volume", "get", VOLUME, "-o", "yaml"));
    text.append("\n==== instance managers\n").append(told("instance-manager", "ls"));
    text.append("\n==== events\n").append(tail(told("events").lines().toList()));
    try (Stream<Path> files = Files.walk(home.resolve("state").resolve("logs"))) {
      for (Path log : files.filter(Files::isRegularFile).sorted().toList()) {
        text.append("\n==== ").append(log.getFileName()).append('\n');
        text.append(tail(Files.readAllLines(log, StandardCharsets.ISO_8859_1)));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private String told(String... command) {
    try {
      return cluster.tryRun(command).text();
    } catch (AssertionError e) {
      return String.valueOf(e.getMessage());
    }
  }

  private static String tail(List<String> lines) {
    return String.join("\n", lines.subList(Math.max(0, lines.size() - TAIL_LINES), lines.size()));
  }
}
