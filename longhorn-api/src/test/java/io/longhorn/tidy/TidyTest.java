package io.longhorn.tidy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The rules, over every file of this checkout. {@link TidyRulesTest} shows that each can fail. */
final class TidyTest {

  private static final Repository REPOSITORY = Repository.open();
  private static final List<JavaSource> MAIN = REPOSITORY.mainSources();
  private static final List<JavaSource> TESTS = REPOSITORY.testSources();

  private static List<String> each(
      List<JavaSource> sources, Function<JavaSource, List<String>> rule) {
    return sources.stream().flatMap(source -> rule.apply(source).stream()).toList();
  }

  @Test
  void theScanSeesEveryModule() {
    assertThat(MAIN)
        .extracting(JavaSource::module)
        .contains(
            "longhorn-api",
            "longhorn-replica",
            "longhorn-engine",
            "longhorn-orchestration",
            "longhorn-k8s-adapter",
            "samples/embedded",
            "samples/control-plane",
            "samples/standalone");
    assertThat(TESTS).extracting(JavaSource::fileName).contains("TidyTest.java");
  }

  @Test
  void dependenciesPointOneWay() {
    assertThat(each(MAIN, TidyRules::dependencyDirection)).isEmpty();
  }

  @Test
  void coresImportOnlyThemselvesAndApi() {
    assertThat(each(MAIN, TidyRules::coreImports)).isEmpty();
  }

  @Test
  void coresAreDeterministic() {
    assertThat(each(MAIN, TidyRules::coreDeterminism)).isEmpty();
  }

  @Test
  void aCoreUsesOnlyCores() {
    assertThat(TidyRules.CORES)
        .allSatisfy(core -> assertThat(core.uses()).allMatch(TidyRules::isCore));
  }

  @Test
  void everyCoreIsThereAndSaysWhatItIs() {
    assertThat(TidyRules.coresExist(MAIN)).isEmpty();
    assertThat(each(MAIN, TidyRules::coresSayThatTheyArePure)).isEmpty();
  }

  @Test
  void namesSaySomething() {
    assertThat(each(MAIN, TidyRules::names)).isEmpty();
  }

  @Test
  void packagesAreSmall() {
    assertThat(TidyRules.packageSize(MAIN)).isEmpty();
  }

  @Test
  void packagesAreDescribedAndNullMarked() {
    assertThat(TidyRules.packageInfo(MAIN)).isEmpty();
  }

  @Test
  void exportedPackagesAreDocumentedAndShowNoLibrary() {
    assertThat(TidyRules.exportedPackages(MAIN)).isEmpty();
  }

  @Test
  void onePackageKnowsChronicle() {
    assertThat(TidyRules.chronicleInOnePackage(MAIN)).isEmpty();
  }

  @Test
  void nothingIsLeftForLater() {
    assertThat(each(MAIN, TidyRules::unfinished)).isEmpty();
    assertThat(each(TESTS, TidyRules::unfinished)).isEmpty();
  }

  @Test
  void testsRunAndDoNotSleep() {
    assertThat(each(TESTS, TidyRules::lazyTests)).isEmpty();
  }

  @Test
  void documentsNameOnlyWhatIsThere() {
    var types =
        Stream.concat(MAIN.stream(), TESTS.stream())
            .flatMap(source -> source.types().stream())
            .collect(Collectors.toSet());
    var documents =
        REPOSITORY.files().stream()
            .filter(file -> REPOSITORY.name(file).matches("(docs/.*|[A-Z]+)\\.md"))
            .toList();
    assertThat(documents).isNotEmpty();
    assertThat(
            documents.stream()
                .flatMap(file ->
                    TidyRules.deadReferences(
                        REPOSITORY.name(file), REPOSITORY.text(file), REPOSITORY::has, types)
                        .stream()))
        .isEmpty();
  }

  @Test
  void noFileKnowsTheMachineItWasWrittenOn() {
    assertThat(
            REPOSITORY.files().stream()
                .flatMap(file ->
                    TidyRules.machineTraces(REPOSITORY.name(file), REPOSITORY.text(file)).stream()))
        .isEmpty();
  }
}
