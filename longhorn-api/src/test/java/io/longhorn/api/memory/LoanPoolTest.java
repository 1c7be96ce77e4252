package io.longhorn.api.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.longhorn.api.Seed;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Loans are closed by hand where the order of closing is the point. */
@SuppressWarnings("try")
final class LoanPoolTest {
  private static final int SLAB_BYTES = 512 << 10;

  private static Loan take(LoanPool pool, int bytes) {
    Loan loan = pool.take(bytes);
    if (loan == null) {
      throw new AssertionError("no loan of " + bytes);
    }
    return loan;
  }

  private static void closeAll(List<Loan> loans) {
    loans.forEach(Loan::close);
    loans.clear();
  }

  private static List<Loan> takeAll(LoanPool pool, int bytes) {
    List<Loan> loans = new ArrayList<>();
    for (Loan loan = pool.take(bytes); loan != null; loan = pool.take(bytes)) {
      loans.add(loan);
    }
    return loans;
  }

  @ParameterizedTest
  @CsvSource({
    "0, 4096",
    "1, 4096",
    "4096, 4096",
    "4097, 32768",
    "32768, 32768",
    "32769, 131072",
    "131072, 131072",
    "131073, 262144",
    "262144, 262144",
  })
  void aLoanIsTheSmallestBlockThatFitsAndBeginsOnAPage(int bytes, int capacity) {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      try (Loan loan = take(pool, bytes)) {
        assertThat(loan.capacity()).isEqualTo(capacity);
        assertThat(loan.segment().byteSize()).isEqualTo(capacity);
        assertThat(loan.segment().address()).isEqualTo(loan.address());
        assertThat(loan.address() % 4096).isZero();
        assertThat(loan.buffer().isDirect()).isTrue();
        loan.segment().set(ValueLayout.JAVA_BYTE, capacity - 1L, (byte) 7);
        assertThat(loan.buffer().get(capacity - 1)).isEqualTo((byte) 7);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, Integer.MIN_VALUE, 262_145, Integer.MAX_VALUE})
  void aSizeThatNoBlockHasIsAMistake(int bytes) {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      assertThatThrownBy(() -> pool.take(bytes)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void aPoolSmallerThanASlabIsAMistake() {
    assertThatThrownBy(() -> new LoanPool(SLAB_BYTES - 1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void loansThatAreOutNeverShareAByte() {
    RandomGenerator random = Seed.random("LoanPoolTest");
    try (LoanPool pool = new LoanPool(8L * SLAB_BYTES)) {
      List<Loan> out = new ArrayList<>();
      for (int round = 0; round < 5_000; round++) {
        @Nullable Loan loan = random.nextInt(3) < 2 ? pool.take(random.nextInt(262_145)) : null;
        if (loan != null) {
          out.add(loan);
        } else if (!out.isEmpty()) {
          out.remove(random.nextInt(out.size())).close();
        }
        if (round % 50 == 0) {
          assertThat(pool.lent()).isEqualTo(out.size());
          assertApart(out);
        }
      }
      assertThat(pool.takenBytes()).isEqualTo(8L * SLAB_BYTES);
      closeAll(out);
    }
  }

  private static void assertApart(List<Loan> loans) {
    TreeMap<Long, Long> byAddress = new TreeMap<>();
    loans.forEach(loan -> byAddress.put(loan.address(), loan.address() + loan.capacity()));
    assertThat(byAddress).hasSize(loans.size());
    long end = 0;
    for (var range : byAddress.entrySet()) {
      assertThat(range.getKey()).isGreaterThanOrEqualTo(end);
      end = range.getValue();
    }
  }

  @Test
  void theLastOneBackIsTheNextOneOut() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      Loan first = take(pool, 4096);
      Loan second = take(pool, 4096);
      first.close();
      second.close();
      try (Loan again = take(pool, 100)) {
        assertThat(again).isSameAs(second);
      }
    }
  }

  @Test
  void aLoanStartsWithItsWholeBuffer() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      Loan loan = take(pool, 4096);
      loan.buffer().limit(100).position(50);
      loan.close();
      try (Loan again = take(pool, 4096)) {
        assertThat(again).isSameAs(loan);
        assertThat(again.buffer().remaining()).isEqualTo(4096);
      }
    }
  }

  @Test
  void atItsLimitAPoolLendsNothingUntilOneComesBack() {
    try (LoanPool pool = new LoanPool(2L * SLAB_BYTES)) {
      List<Loan> all = takeAll(pool, 131_072);
      assertThat(all).hasSize(8);
      assertThat(pool.takenBytes()).isEqualTo(2L * SLAB_BYTES);
      all.removeLast().close();
      all.add(take(pool, 131_072));
      assertThat(pool.take(131_072)).isNull();
      assertThat(pool.lent()).isEqualTo(8);
      closeAll(all);
    }
  }

  /**
   * All memory had gone to small blocks, all of them were back, and a large one could still never
   * be lent: whoever waited for it waited for ever.
   */
  @Test
  void whateverWasLentBeforeAPoolWithEverythingBackLendsAnySize() {
    try (LoanPool pool = new LoanPool(2L * SLAB_BYTES)) {
      for (int bytes : List.of(4096, 262_144, 32_768, 131_072, 4096)) {
        List<Loan> all = takeAll(pool, bytes);
        assertThat(all).hasSize(2 * SLAB_BYTES / bytes);
        assertApart(all);
        closeAll(all);
      }
      assertThat(pool.takenBytes()).isEqualTo(2L * SLAB_BYTES);
    }
  }

  @Test
  void aSlabWithOneBlockOutIsNotCutAnew() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      Loan small = take(pool, 4096);
      assertThat(pool.take(131_072)).isNull();
      small.close();
      List<Loan> large = takeAll(pool, 131_072);
      assertThat(large).hasSize(4);
      assertThat(pool.take(4096)).isNull();
      closeAll(large);
    }
  }

  @Test
  void aLoanGoesBackWhenItsLastResponsiblePartyClosesIt() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      Loan loan = take(pool, 4096);
      loan.retain();
      loan.close();
      assertThat(pool.lent()).isOne();
      loan.close();
      assertThat(pool.lent()).isZero();
    }
  }

  @Test
  void closingOnceMoreThanOnesShareIsAMistake() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      Loan loan = take(pool, 4096);
      loan.close();
      assertThatThrownBy(loan::close).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(loan::retain).isInstanceOf(IllegalStateException.class);
      assertThat(pool.lent()).isZero();
    }
  }

  @Test
  void aPoolWithLoansOutDoesNotClose() {
    LoanPool pool = new LoanPool(SLAB_BYTES);
    Loan loan = take(pool, 4096);
    assertThatThrownBy(pool::close).isInstanceOf(IllegalStateException.class);
    loan.close();
    pool.close();
  }

  /** The free blocks of a closed pool point at memory that is gone. */
  @Test
  void aClosedPoolLendsNothingAndItsMemoryIsGone() {
    LoanPool pool = new LoanPool(SLAB_BYTES);
    Loan loan = take(pool, 4096);
    MemorySegment memory = loan.segment();
    loan.close();
    pool.close();
    pool.close();
    assertThatThrownBy(() -> pool.take(4096)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> memory.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
  }

  /** Its owner may end while others still read what they were lent. */
  @Test
  void aPoolThatEndsKeepsItsMemoryUntilTheLastLoanIsBack() {
    LoanPool pool = new LoanPool(SLAB_BYTES);
    Loan first = take(pool, 4096);
    Loan second = take(pool, 4096);
    MemorySegment memory = first.segment();
    pool.closeWhenBack();
    pool.closeWhenBack();
    assertThatThrownBy(() -> pool.take(4096)).isInstanceOf(IllegalStateException.class);
    first.close();
    assertThat(memory.scope().isAlive()).isTrue();
    second.close();
    assertThat(memory.scope().isAlive()).isFalse();
    pool.close();
  }

  @Test
  void aPoolThatEndsWithNothingLentIsFreedAtOnce() {
    LoanPool pool = new LoanPool(SLAB_BYTES);
    Loan loan = take(pool, 4096);
    MemorySegment memory = loan.segment();
    loan.close();
    pool.closeWhenBack();
    assertThat(memory.scope().isAlive()).isFalse();
  }

  @Test
  void inSteadyStateNothingIsAllocated() {
    try (LoanPool pool = new LoanPool(4L * SLAB_BYTES)) {
      assertThat(
              leastAllocatedPerRound(() -> {
                try (Loan small = take(pool, 4096);
                    Loan large = take(pool, 131_072)) {
                  small.retain();
                  small.close();
                  large.buffer().limit(10);
                }
              }))
          .isLessThan(1);
    }
  }

  @Test
  void cuttingBackAndForthMakesNoBlocksOnceEverySizeWasCut() {
    try (LoanPool pool = new LoanPool(SLAB_BYTES)) {
      assertThat(
              leastAllocatedPerRound(() -> {
                take(pool, 4096).close();
                take(pool, 262_144).close();
              }))
          .isLessThan(256);
    }
  }

  /** The lowest figure of several batches: the first ones run interpreted. */
  private static double leastAllocatedPerRound(Runnable round) {
    int rounds = 5_000;
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    double least = Double.MAX_VALUE;
    for (int batch = 0; batch < 60 && least >= 1; batch++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < rounds; i++) {
        round.run();
      }
      least =
          Math.min(least, (threads.getCurrentThreadAllocatedBytes() - before) / (double) rounds);
    }
    return least;
  }
}
