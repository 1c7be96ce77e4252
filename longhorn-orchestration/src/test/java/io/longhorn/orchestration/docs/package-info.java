/** Pages of the documentation that are made from sources and tests, and checked against them. */
@NullMarked
package io.longhorn.orchestration.docs;

import org.jspecify.annotations.NullMarked;
