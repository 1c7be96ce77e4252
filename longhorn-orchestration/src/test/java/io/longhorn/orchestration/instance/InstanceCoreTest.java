package io.longhorn.orchestration.instance;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class InstanceCoreTest {
  private static final UUID RUN = new UUID(1, 1);
  private static final UUID NEXT_RUN = new UUID(2, 2);
  private static final String NAME = "vol-e-0";

  private final InstanceCore core = new InstanceCore();

  private static InstanceSpec spec(String name, InstanceType type) {
    return new InstanceSpec(name, type, List.of("longhorn"), List.of());
  }

  private static InstanceEvent create(String name, InstanceType type, UUID uuid) {
    return new InstanceEvent.Create(spec(name, type), uuid, 1_000);
  }

  /** The events that lead to a state. */
  private static List<InstanceEvent> wayTo(String state) {
    List<InstanceEvent> events = new ArrayList<>();
    if (state.equals("absent")) {
      return events;
    }
    events.add(create(NAME, InstanceType.ENGINE, RUN));
    if (state.equals("requested")) {
      return events;
    }
    if (state.equals("cancelled")) {
      events.add(event("stop"));
      return events;
    }
    events.add(event("forked"));
    switch (state) {
      case "running" -> events.add(event("ready"));
      case "stopping" -> events.add(event("stop"));
      case "stopped" -> events.add(event("exit0"));
      case "error" -> events.add(event("exit1"));
      default -> assertThat(state).isEqualTo("starting");
    }
    return events;
  }

  private static InstanceEvent event(String name) {
    return switch (name) {
      case "create" -> create(NAME, InstanceType.ENGINE, NEXT_RUN);
      case "forked" -> new InstanceEvent.Forked(NAME, RUN, 4_711);
      case "failed" -> new InstanceEvent.StartFailed(NAME, RUN, "no such file");
      case "ready" -> new InstanceEvent.Ready(NAME, RUN, "nbd+unix:///v?socket=s");
      case "exit0" -> new InstanceEvent.Exited(NAME, RUN, 0, "bye");
      case "exit1" -> new InstanceEvent.Exited(NAME, RUN, 1, "no disk");
      case "exitOther" -> new InstanceEvent.Exited(NAME, NEXT_RUN, 1, "no disk");
      case "stop" -> new InstanceEvent.StopAsked(NAME, Optional.of(RUN));
      case "stopAny" -> new InstanceEvent.StopAsked(NAME, Optional.empty());
      case "stopOther" -> new InstanceEvent.StopAsked(NAME, Optional.of(NEXT_RUN));
      case "deadline" -> new InstanceEvent.StopDeadline(NAME, RUN);
      case "forget" -> new InstanceEvent.Forget(NAME, Optional.of(RUN));
      case "forgetOther" -> new InstanceEvent.Forget(NAME, Optional.of(NEXT_RUN));
      case "closing" -> new InstanceEvent.Closing();
      default -> throw new AssertionError(name);
    };
  }

  private static String names(List<InstanceEffect> effects) {
    return effects.stream()
        .map(effect ->
            effect instanceof InstanceEffect.Refuse(IoError error, String _)
                ? error.name()
                : effect.getClass().getSimpleName())
        .collect(Collectors.joining(" "));
  }

  private String state() {
    return core.status(NAME).map(status -> status.state().toString()).orElse("absent");
  }

  private List<InstanceEffect> step(InstanceEvent... events) {
    List<InstanceEffect> effects = new ArrayList<>();
    for (InstanceEvent event : events) {
      effects.addAll(core.step(event));
    }
    return effects;
  }

  /** Rule 6.3, 6.4: every state and event; "requested" and "cancelled" have no process yet. */
  @ParameterizedTest
  @CsvSource({
    "absent,    create,      starting, Publish Start",
    "absent,    forked,      absent,   ''",
    "absent,    failed,      absent,   ''",
    "absent,    ready,       absent,   ''",
    "absent,    exit0,       absent,   ''",
    "absent,    exit1,       absent,   ''",
    "absent,    stop,        absent,   NOT_FOUND",
    "absent,    stopAny,     absent,   NOT_FOUND",
    "absent,    deadline,    absent,   ''",
    "absent,    forget,      absent,   NOT_FOUND",
    "absent,    closing,     absent,   AllStopped",
    "requested, create,      starting, EXISTS",
    "requested, forked,      starting, Publish",
    "requested, failed,      error,    Publish",
    "requested, stop,        stopping, Publish ArmStopDeadline",
    "requested, closing,     stopping, Publish ArmStopDeadline",
    "cancelled, forked,      stopping, Publish Terminate",
    "cancelled, failed,      error,    Publish",
    "cancelled, deadline,    stopping, ArmStopDeadline",
    "starting,  create,      starting, EXISTS",
    "starting,  failed,      error,    Publish",
    "starting,  ready,       running,  Publish",
    "starting,  exit0,       stopped,  Publish",
    "starting,  exit1,       error,    Publish",
    "starting,  exitOther,   starting, ''",
    "starting,  stop,        stopping, Publish Terminate ArmStopDeadline",
    "starting,  stopAny,     stopping, Publish Terminate ArmStopDeadline",
    "starting,  stopOther,   starting, NOT_FOUND",
    "starting,  deadline,    starting, ''",
    "starting,  forget,      starting, BUSY",
    "starting,  forgetOther, starting, NOT_FOUND",
    "starting,  closing,     stopping, Publish Terminate ArmStopDeadline",
    "running,   create,      running,  EXISTS",
    "running,   ready,       running,  ''",
    "running,   exit0,       stopped,  Publish",
    "running,   exit1,       error,    Publish",
    "running,   exitOther,   running,  ''",
    "running,   stop,        stopping, Publish Terminate ArmStopDeadline",
    "running,   stopAny,     stopping, Publish Terminate ArmStopDeadline",
    "running,   stopOther,   running,  NOT_FOUND",
    "running,   deadline,    running,  ''",
    "running,   forget,      running,  BUSY",
    "running,   closing,     stopping, Publish Terminate ArmStopDeadline",
    "stopping,  create,      stopping, EXISTS",
    "stopping,  ready,       stopping, ''",
    "stopping,  exit0,       stopped,  Publish",
    "stopping,  exit1,       error,    Publish",
    "stopping,  exitOther,   stopping, ''",
    "stopping,  stop,        stopping, ''",
    "stopping,  stopOther,   stopping, NOT_FOUND",
    "stopping,  deadline,    stopping, Kill ArmStopDeadline",
    "stopping,  forget,      stopping, BUSY",
    "stopping,  closing,     stopping, ''",
    "stopped,   create,      starting, Publish Start",
    "stopped,   forked,      stopped,  ''",
    "stopped,   failed,      stopped,  ''",
    "stopped,   ready,       stopped,  ''",
    "stopped,   exit1,       stopped,  ''",
    "stopped,   stop,        stopped,  ''",
    "stopped,   stopOther,   stopped,  NOT_FOUND",
    "stopped,   deadline,    stopped,  ''",
    "stopped,   forget,      absent,   Drop Publish",
    "stopped,   forgetOther, stopped,  NOT_FOUND",
    "stopped,   closing,     stopped,  AllStopped",
    "error,     create,      starting, Publish Start",
    "error,     forked,      error,    ''",
    "error,     ready,       error,    ''",
    "error,     exit0,       error,    ''",
    "error,     stop,        error,    ''",
    "error,     deadline,    error,    ''",
    "error,     forget,      absent,   Drop Publish",
    "error,     forgetOther, error,    NOT_FOUND",
    "error,     closing,     error,    AllStopped",
  })
  void everyRowOfTheTable(String from, String event, String to, String effects) {
    wayTo(from).forEach(core::step);
    assertThat(names(core.step(event(event)))).isEqualTo(effects);
    assertThat(state()).isEqualTo(to);
  }

  @Test
  void aNewRunHasItsOwnUuidAndKnowsNothingOfTheLast() {
    wayTo("error").forEach(core::step);
    step(event("create"));
    InstanceStatus status = core.status(NAME).orElseThrow();
    assertThat(status.uuid()).isEqualTo(NEXT_RUN);
    assertThat(status.pid()).isZero();
    assertThat(status.errorMessage()).isEmpty();
    assertThat(status.exitCode()).isEmpty();
    assertThat(status.addresses()).isEmpty();
    step(event("exit1"), event("ready"));
    assertThat(state()).as("what the old run does comes too late").isEqualTo("starting");
  }

  @Test
  void whatAProcessSaysAndHowItEndsIsInItsStatus() {
    wayTo("running").forEach(core::step);
    step(new InstanceEvent.Ready(NAME, RUN, "nbd://host:10809/v"));
    InstanceStatus running = core.status(NAME).orElseThrow();
    assertThat(running.addresses()).containsExactly("nbd+unix:///v?socket=s", "nbd://host:10809/v");
    assertThat(running.pid()).isEqualTo(4_711);
    assertThat(running.startedMillis()).isEqualTo(1_000);
    step(event("exit1"));
    InstanceStatus over = core.status(NAME).orElseThrow();
    assertThat(over.exitCode()).hasValue(1);
    assertThat(over.errorMessage()).isEqualTo("ended with exit code 1; it printed last: no disk");
  }

  @ParameterizedTest
  @CsvSource({
    "137, ended by signal 9",
    "143, ended by signal 15",
    "128, ended with exit code 128",
    "2, ended with exit code 2",
  })
  void aSignalIsCalledByItsName(int code, String message) {
    wayTo("running").forEach(core::step);
    step(new InstanceEvent.Exited(NAME, RUN, code, ""));
    assertThat(core.status(NAME).orElseThrow().errorMessage()).isEqualTo(message);
  }

  @Test
  void aProcessThatHadToBeKilledSaysSo() {
    wayTo("stopping").forEach(core::step);
    step(event("deadline"), new InstanceEvent.Exited(NAME, RUN, 137, ""));
    assertThat(core.status(NAME).orElseThrow().errorMessage())
        .isEqualTo("did not end in time after SIGTERM and was killed");
  }

  @Test
  void addressesAndMessagesAreBounded() {
    wayTo("starting").forEach(core::step);
    for (int i = 0; i < 2 * InstanceSpec.MAX_ADDRESSES; i++) {
      step(new InstanceEvent.Ready(NAME, RUN, i + "x".repeat(5_000)));
    }
    assertThat(core.status(NAME).orElseThrow().addresses())
        .hasSize(InstanceSpec.MAX_ADDRESSES)
        .allSatisfy(address -> assertThat(address).hasSize(InstanceSpec.MAX_ADDRESS_LENGTH));
    step(new InstanceEvent.Exited(NAME, RUN, 1, "y".repeat(5_000)));
    assertThat(core.status(NAME).orElseThrow().errorMessage())
        .hasSize(InstanceCore.MAX_MESSAGE_LENGTH);
  }

  @Test
  void instancesAreBoundedAndThoseThatAreForgottenMakeRoom() {
    for (int i = 0; i < InstanceCore.MAX_INSTANCES; i++) {
      step(create("i" + i, InstanceType.REPLICA, new UUID(3, i)));
    }
    assertThat(names(step(create("more", InstanceType.REPLICA, RUN)))).isEqualTo("LIMIT");
    step(new InstanceEvent.StartFailed("i7", new UUID(3, 7), ""));
    assertThat(names(step(create("i7", InstanceType.REPLICA, RUN)))).isEqualTo("Publish Start");
    step(new InstanceEvent.StartFailed("i7", RUN, ""));
    step(new InstanceEvent.Forget("i7", Optional.empty()));
    assertThat(names(step(create("more", InstanceType.REPLICA, RUN)))).isEqualTo("Publish Start");
    assertThat(core.statuses()).hasSize(InstanceCore.MAX_INSTANCES);
  }

  private String createOnce(String name) {
    InstanceSpec once =
        new InstanceSpec(name, InstanceType.REPLICA, List.of("longhorn"), List.of(), true);
    return names(step(new InstanceEvent.Create(once, RUN, 1_000)));
  }

  @Test
  void whatIsDoneOnceIsNotDoneByARequestThatComesLate() {
    assertThat(createOnce(NAME)).isEqualTo("Publish Start");
    step(event("forked"), event("exit1"));
    assertThat(createOnce(NAME)).as("it failed").isEqualTo("Publish Start");
    step(event("forked"), event("exit0"));
    assertThat(createOnce(NAME)).as("done").isEqualTo("EXISTS");
    assertThat(names(step(event("forget")))).isEqualTo("Drop Publish");
    assertThat(createOnce(NAME)).as("done and forgotten").isEqualTo("EXISTS");
    assertThat(state()).isEqualTo("absent");
    step(create(NAME, InstanceType.REPLICA, RUN), event("failed"));
    assertThat(state()).as("what may run again").isEqualTo("error");
  }

  @Test
  void whatWasDoneOnceIsRememberedForSoManyOthers() {
    for (int i = 0; i <= InstanceCore.MAX_DONE; i++) {
      String name = "i" + i;
      createOnce(name);
      step(new InstanceEvent.Exited(name, RUN, 0, ""));
      step(new InstanceEvent.Forget(name, Optional.of(RUN)));
    }
    assertThat(createOnce("i1")).isEqualTo("EXISTS");
    assertThat(createOnce("i0")).isEqualTo("Publish Start");
  }

  @Test
  void closingEndsEnginesBeforeReplicasAndTakesNothingNew() {
    UUID engine = new UUID(4, 1);
    UUID replica = new UUID(4, 2);
    step(
        create("a-replica", InstanceType.REPLICA, replica),
        new InstanceEvent.Forked("a-replica", replica, 2),
        create("an-engine", InstanceType.ENGINE, engine),
        new InstanceEvent.Forked("an-engine", engine, 1));
    assertThat(step(new InstanceEvent.Closing()))
        .contains(new InstanceEffect.Terminate("an-engine", engine))
        .doesNotContain(new InstanceEffect.Terminate("a-replica", replica));
    assertThat(names(step(create("late", InstanceType.ENGINE, RUN)))).isEqualTo("BUSY");
    assertThat(step(new InstanceEvent.Exited("an-engine", engine, 0, "")))
        .contains(new InstanceEffect.Terminate("a-replica", replica))
        .doesNotContain(new InstanceEffect.AllStopped());
    assertThat(step(new InstanceEvent.Exited("a-replica", replica, 1, "")))
        .contains(new InstanceEffect.AllStopped());
    assertThat(step(new InstanceEvent.Closing())).as("said once").isEmpty();
  }
}
