# Fits of susieR, for susier.py: Rscript susier.R FOLDER
#
# FOLDER has X, y, covariates and reference as raw doubles, with shapes in shapes.txt; without X it is filled with
# susieR's data set N3finemapping. Each result is written as raw doubles, named CASE.FIELD.
suppressMessages(library(susieR))
folder <- commandArgs(trailingOnly = TRUE)[1]
path <- function(name) file.path(folder, name)
put <- function(name, values) writeBin(as.double(as.vector(values)), path(name))
get <- function(name, count) readBin(path(name), "double", count)

if (file.exists(path("X"))) {
  shapes <- read.table(path("shapes.txt"), row.names = 1)
  n <- shapes["X", 1]; p <- shapes["X", 2]
  X <- matrix(get("X", n * p), n)
  y <- get("y", n)
  covariates <- matrix(get("covariates", n * shapes["covariates", 2]), n)
  reference <- matrix(get("reference", shapes["reference", 1] * p), ncol = p)
  weights <- get("weights", p)
} else {
  data(N3finemapping)
  X <- N3finemapping$X; y <- N3finemapping$Y[, 1]
  n <- nrow(X); p <- ncol(X)
  set.seed(1)
  covariates <- matrix(rnorm(3 * n), n)
  reference <- X[seq(1, n, 2), ]
  reference <- reference + rnorm(length(reference), sd = 0.05)
  weights <- rgamma(p, 0.3) + 1e-6
  put("X", X); put("y", y); put("covariates", covariates); put("reference", reference); put("weights", weights)
  cat(sprintf("X %d %d\ncovariates %d %d\nreference %d %d\n", n, p, n, 3, nrow(reference), p),
      file = path("shapes.txt"))
}

fit <- function(case, s) {
  for (field in c("pip", "alpha", "lbf_variable", "lbf", "V", "mu", "mu2", "sigma2", "niter"))
    put(paste(case, field, sep = "."), s[[field]][seq_along(s[[field]])])
  put(paste(case, "elbo", sep = "."), tail(s$elbo, 1))
  # Members and their sets, both from 1.
  put(paste(case, "members", sep = "."), unlist(s$sets$cs))
  put(paste(case, "sizes", sep = "."), lengths(s$sets$cs))
  put(paste(case, "effects", sep = "."), s$sets$cs_index)
  put(paste(case, "purity", sep = "."), unlist(s$sets$purity))
}

ss <- univariate_regression(X, y)
z <- ss$betahat / ss$sebetahat
R <- cor(X)
put("z", z); put("R", R)

fit("individual", susie(X, y))
fit("individual_weights", susie(X, y, prior_weights = weights))
fit("covariates", susie(residuals(lm(X ~ covariates)), residuals(lm(y ~ covariates))))
products <- compute_suff_stat(X, y)
put("XtX", products$XtX); put("Xty", products$Xty); put("yty", products$yty)
fit("sufficient", susie_suff_stat(XtX = products$XtX, Xty = products$Xty, yty = products$yty, n = n,
                                  prior_weights = weights))
fit("summary", susie_rss(z, R, n = n))
fit("summary_weights", susie_rss(z, R, n = n, prior_weights = weights))
fit("summary_without_n", susie_rss(z, R, prior_weights = weights))
fit("summary_null", susie_rss(z, R, n = n, null_weight = 0.3))
fit("summary_one", susie_rss(z, R, n = n, L = 1, prior_weights = weights))
fit("summary_fixed", susie_rss(z, R, n = n, L = 5, estimate_prior_variance = FALSE, scaled_prior_variance = 0.1,
                               estimate_residual_variance = TRUE, coverage = 0.8, min_abs_corr = 0.9))

foreign <- cor(reference)
flipped <- z
top <- which.max(abs(z))
flipped[top] <- -flipped[top]
for (case in c("reference", "flipped", "without_n")) {
  statistics <- if (case == "flipped") flipped else z
  ld <- if (case == "flipped") 0.9 * R + 0.1 * diag(p) else foreign
  given <- c(list(z = statistics, R = ld), if (case != "without_n") list(n = n))
  put(paste0("kriging_", case, ".s"), suppressWarnings(do.call(estimate_s_rss, given)))
  kriging <- suppressWarnings(do.call(kriging_rss, given))$conditional_dist
  put(paste0("kriging_", case, ".table"), as.matrix(kriging[, c("z", "condmean", "condvar", "z_std_diff", "logLR")]))
}
