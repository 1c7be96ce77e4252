package io.longhorn.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.EmbeddedVolume;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** This module is the one without a module-info: what works here works on any class path. */
final class ClassPathTest {
  @TempDir private Path home;

  /** Services that only a module-info names are not found on a class path. */
  @Test
  void aVolumeOpensInAProgramThatIsNoModule() {
    assertThat(ClassPathTest.class.getModule().isNamed()).isFalse();
    List<Path> copies = List.of(home.resolve("a"), home.resolve("b"), home.resolve("c"));
    EmbeddedVolume.create("v", 16 << 20, copies);
    try (EmbeddedVolume volume = EmbeddedVolume.open("v", copies)) {
      volume.write(12_345, ByteBuffer.wrap(new byte[] {1, 2, 3}));
      volume.flush();
      ByteBuffer back = ByteBuffer.allocate(5);
      volume.read(12_344, back);
      assertThat(back.array()).containsExactly(0, 1, 2, 3, 0);
    }
  }
}
