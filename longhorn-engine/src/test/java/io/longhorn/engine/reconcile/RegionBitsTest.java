package io.longhorn.engine.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.BitSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class RegionBitsTest {
  @Test
  void behavesAsABitSet() {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(11);
    for (int count : new int[] {1, 63, 64, 65, 1000}) {
      RegionBits bits = new RegionBits(count);
      BitSet model = new BitSet(count);
      RegionBits other = new RegionBits(count);
      BitSet otherModel = new BitSet(count);
      for (int i = 0; i < 500; i++) {
        int region = random.nextInt(count);
        int last = random.nextInt(region, count);
        switch (random.nextInt(10)) {
          case 0, 1 -> {
            bits.set(region);
            model.set(region);
          }
          case 2 -> {
            bits.clear(region);
            model.clear(region);
          }
          case 8 -> {
            bits.set(region, last);
            model.set(region, last + 1);
          }
          case 9 -> {
            bits.clear(region, last);
            model.clear(region, last + 1);
          }
          case 3, 4 -> {
            other.set(region);
            otherModel.set(region);
          }
          case 5 -> {
            bits.or(other);
            model.or(otherModel);
          }
          case 6 -> {
            bits.andNot(other);
            model.andNot(otherModel);
            other.clearAll();
            otherModel.clear();
          }
          default -> {
            bits.and(other);
            model.and(otherModel);
          }
        }
        assertThat(bits.test(region)).isEqualTo(model.get(region));
        assertThat(bits.nextSet(region)).isEqualTo(model.nextSetBit(region));
        assertThat(bits.cardinality()).isEqualTo(model.cardinality());
        assertThat(bits.isEmpty()).isEqualTo(model.isEmpty());
      }
      RegionBits again = new RegionBits(count);
      again.orBytes(0, bits.toBytes(0, count));
      again.andNot(bits);
      assertThat(again.isEmpty()).isTrue();
    }
  }

  @Test
  void payloadsStartAtTheirFirstRegionAndEndWithTheVolume() {
    RegionBits bits = new RegionBits(20);
    bits.orBytes(16, new byte[] {(byte) 0xFF});
    assertThat(bits.cardinality()).isEqualTo(4);
    assertThat(bits.toBytes(16, 4)).containsExactly(0x0F);
    assertThat(bits.toBytes(8, 8)).containsExactly(0);
  }

  @ParameterizedTest
  @CsvSource({
    "4096, 65536, 1, 0, 4096",
    "65536, 65536, 1, 0, 65536",
    "69632, 65536, 2, 1, 4096",
    "1048576, 65536, 16, 15, 65536",
    "70368744177664, 134217728, 524288, 524287, 134217728",
  })
  void regionsCoverTheVolume(long size, long region, int count, int last, long lastBytes) {
    RegionMap map = new RegionMap(size, region);
    assertThat(map.count()).isEqualTo(count);
    assertThat(map.regionOf(size - 1)).isEqualTo(last);
    assertThat(map.lengthOf(last)).isEqualTo(lastBytes);
    assertThat(map.offsetOf(last) + map.lengthOf(last)).isEqualTo(size);
  }

  @ParameterizedTest
  @CsvSource({"65536, 32", "2097152, 1", "134217728, 1", "4096, 512"})
  void aSpanHoldsAPowerOfTwoOfRegions(long regionBytes, int regions) {
    assertThat(new RegionMap(1 << 30, regionBytes).countIn(2 << 20)).isEqualTo(regions);
  }

  @ParameterizedTest
  @CsvSource({"0, 65536", "4096, 0", "4096, 65537", "70368744177664, 65536"})
  void otherRegionsAreRefused(long size, long region) {
    assertThatThrownBy(() -> new RegionMap(size, region))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
