package io.longhorn.orchestration.execution;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.Await;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class ProcessEndTest {
  @Test
  void aProcessEndsWhenItEndsAndNotWhenSomebodyHasWaitedForIt() throws IOException {
    // The shell becomes a program that waits for no child.
    Process parent = new ProcessBuilder("sh", "-c", "sleep 300 & echo $!; exec sleep 300").start();
    try (var lines = parent.inputReader()) {
      long child = Long.parseLong(lines.readLine());
      assertThat(ProcessEnd.hasEnded(parent.toHandle())).isFalse();
      assertThat(ProcessEnd.hasEnded(child)).isFalse();

      ProcessHandle.of(child).ifPresent(ProcessHandle::destroyForcibly);
      Await.until("the child has ended", () -> ProcessEnd.hasEnded(child));
      assertThat(ProcessHandle.of(child)).as("nobody has waited for it").isPresent();
    } finally {
      parent.destroyForcibly();
    }
    Await.until("the parent has ended", () -> ProcessEnd.hasEnded(parent.toHandle()));
  }
}
