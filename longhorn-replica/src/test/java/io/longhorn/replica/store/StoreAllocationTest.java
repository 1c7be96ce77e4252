package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.posix.Allocation;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** In steady state reads and writes put nothing on the heap. */
class StoreAllocationTest {
  private static final long SIZE = 8L << 20;

  @TempDir Path directory;

  private StoreFixture open() {
    StoreFixture it = new StoreFixture(new PosixFiles(), directory.resolve("r"), SIZE);
    it.create().open();
    for (int block = 0; block < SIZE / 4096; block += 32) {
      assertThat(it.write(block, 32, 1)).isEqualTo(IoError.OK);
      assertThat(it.version(block)).isEqualTo(1);
    }
    return it;
  }

  @Test
  void overwritingAllocatesNothing() {
    StoreFixture it = open();
    StoreFixture.Request request = it.ranged(0, 0, 1);
    double bytes =
        Allocation.perRound(rounds -> {
          for (int i = 0; i < rounds; i++) {
            request.range(0, i % 2048 * 4096L, 4096);
            it.store.write(request);
          }
          return request.completions;
        });
    assertThat(request.outcome).isEqualTo(IoError.OK);
    assertThat(bytes).isLessThan(Allocation.NOTHING);
  }

  @Test
  void readingAllocatesNothing() {
    StoreFixture it = open();
    StoreFixture.Request request = it.ranged(0, 0, 32);
    double bytes =
        Allocation.perRound(rounds -> {
          for (int i = 0; i < rounds; i++) {
            request.range(0, i % 64 * 131_072L, 131_072);
            it.store.read(request);
          }
          return request.completions;
        });
    assertThat(request.outcome).isEqualTo(IoError.OK);
    assertThat(bytes).isLessThan(Allocation.NOTHING);
  }

  @Test
  void readingAtOnceAllocatesNothing() {
    StoreFixture it = open();
    StoreFixture.Request request = it.ranged(0, 0, 1);
    double bytes =
        Allocation.perRound(rounds -> {
          for (int i = 0; i < rounds; i++) {
            request.range(0, i % 2048 * 4096L, 4096);
            it.store.readNow(request);
          }
          return request.completions;
        });
    assertThat(request.outcome).isEqualTo(IoError.OK);
    assertThat(bytes).isLessThan(Allocation.NOTHING);
  }
}
