"""Tests of mifm_kipoi.genomics.columns: what the header of a table says."""

import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.columns import ALIASES, FIELDS, find_layout
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS
from mifm_kipoi.genomics.tables import TableFile

HEADERS = {
    "gwas-ssf": (
        "chromosome base_pair_location effect_allele other_allele beta standard_error "
        "effect_allele_frequency p_value rsid",
        "chromosome base_pair_location effect_allele other_allele odds_ratio ci_lower ci_upper "
        "standard_error effect_allele_frequency neg_log_10_p_value variant_id rsid n",
    ),
    "plink1": (
        "CHR SNP BP A1 TEST NMISS BETA STAT P",
        "CHR SNP BP A1 TEST NMISS OR SE L95 U95 STAT P",
        "CHR SNP BP A1 F_A F_U A2 CHISQ P OR SE L95 U95",
    ),
    "plink2": (
        "#CHROM POS ID REF ALT A1 TEST OBS_CT BETA SE T_STAT P ERRCODE",
        "#CHROM POS ID REF ALT PROVISIONAL_REF? A1 OMITTED A1_FREQ TEST OBS_CT OR LOG(OR)_SE Z_STAT LOG10_P",
    ),
    "regenie": (
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA",
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P",
    ),
    "saige": (
        "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value "
        "p.value.NA Is.SPA AF_case AF_ctrl N_case N_ctrl",
        "CHR POS SNPID Allele1 Allele2 AC_Allele2 AF_Allele2 imputationInfo N BETA SE Tstat p.value varT",
    ),
    "bolt": (
        "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ F_MISS CHISQ_LINREG P_LINREG BETA SE CHISQ_BOLT_LMM_INF "
        "P_BOLT_LMM_INF CHISQ_BOLT_LMM P_BOLT_LMM",
        "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ INFO CHISQ_LINREG P_LINREG BETA SE P_BOLT_LMM_INF",
    ),
    "gemma": (
        "chr rs ps n_miss allele1 allele0 af beta se logl_H1 l_remle p_wald",
        "chr rs ps n_mis n_obs allele1 allele0 af beta se p_lrt",
    ),
    "fastgwa": (
        "CHR SNP POS A1 A2 N AF1 BETA SE P",
        "CHR SNP POS A1 A2 N AF1 T SE_T P_noSPA BETA SE P CONVERGE",
    ),
    "finngen": (
        "#chrom pos ref alt rsids nearest_genes pval mlogp beta sebeta af_alt af_alt_cases af_alt_controls",
        "chrom pos ref alt rsids nearest_genes pval beta sebeta maf",
    ),
    "pan-ukb": (
        "chr pos ref alt af_meta_hq beta_meta_hq se_meta_hq neglog10_pval_meta_hq "
        "neglog10_pval_heterogeneity_hq af_EUR beta_EUR se_EUR neglog10_pval_EUR low_confidence_EUR",
        "chr pos ref alt af_cases_EUR af_controls_EUR beta_EUR se_EUR pval_EUR low_confidence_EUR",
    ),
    "neale": (
        "variant minor_allele minor_AF low_confidence_variant n_complete_samples AC ytx beta se tstat pval",
        "variant rsid nCompleteSamples AC ytx beta se tstat pval",
    ),
    "metal": (
        "MarkerName Allele1 Allele2 Freq1 FreqSE Effect StdErr P-value Direction HetISq HetDf HetPVal",
        "MarkerName Allele1 Allele2 Weight Zscore P-value Direction",
        "Chromosome Position MarkerName Allele1 Allele2 Effect StdErr log(P) Direction",
    ),
    "ldsc": ("SNP A1 A2 N Z", "SNP A1 A2 Z N FRQ"),
    "prscs": ("SNP A1 A2 BETA P", "SNP A1 A2 OR SE"),
    "gwas-vcf": ("#CHROM POS ID REF ALT ES SE LP AF SS EZ",),
    "causaldb": (
        "chr bp rsid maf ea nea beta se p zscore cojo_beta cojo_se cojo_p abf finemap paintor caviarbf susie "
        "polyfun_finemap polyfun_susie meta_id block_id tool lead_snp primary",
    ),
}
"""Headers as the programs write them."""

EFFECT_ALLELES = {
    "gwas-ssf": "effect_allele", "plink1": "A1", "plink2": "A1", "regenie": "ALLELE1", "saige": "Allele2",
    "bolt": "ALLELE1", "gemma": "allele1", "fastgwa": "A1", "finngen": "alt", "pan-ukb": "alt",
    "metal": "Allele1", "ldsc": "A1", "prscs": "A1", "gwas-vcf": "ALT", "causaldb": "ea",
}  # fmt: skip

ALL = [(name, header) for name, headers in HEADERS.items() for header in headers]


def _layout(folder, header, rows=(), **options):
    path = folder / "gwas.tsv"
    path.write_text("".join("\t".join(line.split()) + "\n" for line in (header, *rows)))
    return find_layout(TableFile.of(path), **options)


def _population(name):
    return "EUR" if name == "pan-ukb" else ""


@pytest.mark.parametrize(("name", "header"), ALL)
def test_headers_are_recognised(tmp_path, name, header):
    layout = _layout(tmp_path, header, population=_population(name))
    assert layout.format == name
    assert GWAS_FORMATS[name].title in layout.reason
    assert layout.directed
    if name != "neale":
        assert layout.columns["effect_allele"] == EFFECT_ALLELES[name]
    named = _layout(tmp_path, header, population=_population(name), format=name)
    assert named.columns == layout.columns
    assert "named by the user" in named.reason


def test_every_format_has_a_header_here():
    assert set(HEADERS) == set(GWAS_FORMATS)


@hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=150
)
@hypothesis.given(
    st.sampled_from(ALL).flatmap(lambda one: st.tuples(st.just(one[0]), st.permutations(one[1].split()))),
    st.sampled_from([str, str.upper, str.lower]),
)
def test_in_any_case_and_order(tmp_path, case, spelling):
    name, columns = case
    layout = _layout(tmp_path, " ".join(map(spelling, columns)), population=_population(name))
    assert layout.format == name
    if name != "neale":
        assert layout.columns["effect_allele"] == spelling(EFFECT_ALLELES[name])


def test_aliases_are_of_known_fields():
    assert set(ALIASES) < set(FIELDS)
    assert all(set(preset.columns) <= set(FIELDS) for preset in GWAS_FORMATS.values())


def test_no_name_stands_for_two_fields():
    names = [name for names in ALIASES.values() for name in {name.replace("_", "") for name in names}]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    "header",
    [
        "CHR POS MarkerID Allele1 Allele2 BETA SE p.value",
        "chr pos ref alt beta se p",
        "chromosome position alleleA alleleB beta se p",
        "chr bp minor_allele major_allele beta se p",
    ],
)
def test_alleles_of_which_none_is_known_to_have_the_effect(tmp_path, header):
    alleles = header.split()[-5:-3]
    with pytest.raises(InputError, match=f"{alleles[1]}.* has the effect"):
        _layout(tmp_path, header)
    undirected = _layout(tmp_path, header, needs=("p_value",))
    assert not undirected.directed
    assert {undirected.columns["effect_allele"], undirected.columns["other_allele"]} >= set(
        header.split()[-5:-3]
    )


@pytest.mark.parametrize("field", ["effect_allele", "other_allele"])
def test_one_of_two_ambiguous_columns_is_not_enough(tmp_path, field):
    header = "CHR POS MarkerID Allele1 Allele2 BETA SE p.value"
    with pytest.raises(InputError, match=f"{field} alone"):
        _layout(tmp_path, header, columns={field: "Allele2"})
    both = _layout(tmp_path, header, columns={"effect_allele": "Allele2", "other_allele": "Allele1"})
    assert both.columns["effect_allele"] == "Allele2"
    assert both.columns["other_allele"] == "Allele1"


@pytest.mark.parametrize("columns", [{"effect_allele": "alt"}, {"other_allele": "ref"}])
def test_one_of_ref_and_alt_is_not_enough(tmp_path, columns):
    with pytest.raises(InputError, match="alone; name"):
        _layout(tmp_path, "chr pos id ref alt beta se p", columns=columns)


def test_the_other_allele_beside_an_effect_allele(tmp_path):
    pair = _layout(tmp_path, "chr pos ea ref alt beta se p")
    assert (pair.columns["ref"], pair.columns["alt"], pair.missing) == ("ref", "alt", ())
    assert "other_allele" not in pair.columns
    assert _layout(tmp_path, "chr pos ea ref beta se p").columns["other_allele"] == "ref"
    assert _layout(tmp_path, "chr pos a1 ref alt p", columns={"other_allele": "ref"}).columns == {
        "chrom": "chr", "pos": "pos", "effect_allele": "a1", "other_allele": "ref", "p_value": "p",
    }  # fmt: skip


def test_places_in_a_column_of_their_own(tmp_path):
    table = (
        "Chr:Position Allele1 Allele2 Effect StdErr P-value TotalSampleSize",
        ["5:85928892 t c 1 1 0.5 99"],
    )
    alleles = {"effect_allele": "Allele1", "other_allele": "Allele2"}
    for columns in (alleles, {**alleles, "variant": "Chr:Position"}):
        layout = _layout(tmp_path, *table, columns=columns)
        assert (layout.columns["variant"], layout.variant) == ("Chr:Position", "{chrom}:{pos}")
        assert layout.missing == ()


def test_alleles_of_plink2_that_the_user_names(tmp_path):
    header = HEADERS["plink2"][0]
    layout = _layout(tmp_path, header, columns={"other_allele": "REF"})
    assert (layout.columns["effect_allele"], layout.columns["other_allele"]) == ("A1", "REF")
    assert not {"ref", "alt"} & set(layout.columns)
    with pytest.raises(InputError, match=r"ALT is a column of alleles of PLINK 2's --glm \(alt\)"):
        _layout(tmp_path, header, columns={"effect_allele": "ALT"})


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("plink2", {"other_allele": "REF", "ref": "REF"}),
        ("plink2", {"effect_allele": "A1", "ref": "REF", "alt": "ALT"}),
        ("finngen", {"effect_allele": "alt", "ref": "ref"}),
        ("saige", {"effect_allele": "Allele2"}),
        ("bolt", {"p_value": "P_BOLT_LMM_INF"}),
        ("bolt", {"block": "CHR", "id": "SNP", "variant": "SNP"}),
        ("regenie", {"beta": "BETA", "phenotype": "CHROM"}),
        ("plink1", {"beta": "STAT"}),
        ("metal", {"p_value": "HetPVal"}),
    ],
)
def test_what_the_user_names_is_taken_and_the_rest_stays(tmp_path, name, columns):
    layout = _layout(tmp_path, HEADERS[name][0], columns=columns)
    plain = _layout(tmp_path, HEADERS[name][0])
    assert layout.format == name
    assert {**plain.columns, **layout.columns}.items() >= columns.items() - {("ref", "REF"), ("ref", "ref")}
    for field in ("chrom", "pos", "effect_allele", "standard_error"):
        assert layout.columns.get(field) == plain.columns.get(field)


def test_a_field_that_the_user_says_is_not_there(tmp_path):
    layout = _layout(tmp_path, HEADERS["bolt"][0], columns={"effect_allele_frequency": "", "info": ""})
    assert layout.format == "bolt"
    assert "effect_allele_frequency" not in layout.columns


def test_another_column_of_effect_alleles_speaks_against_a_preset(tmp_path):
    layout = _layout(tmp_path, "SNP_ID chrom pos ref alt ea af beta sebeta pval")
    assert (layout.format, layout.columns["effect_allele"]) == ("table", "ea")
    assert (layout.columns["ref"], layout.columns["alt"]) == ("ref", "alt")
    with pytest.raises(InputError, match="ea, A1 could be effect_allele"):
        _layout(tmp_path, HEADERS["fastgwa"][0] + " ea")


def test_a_format_that_the_header_contradicts(tmp_path):
    layout = _layout(
        tmp_path, "CHR POS rsid Allele1 Allele2 AF_Allele2 MarkerName Effect p.value", format="metal"
    )
    assert "named by the user, although the header is that of SAIGE" in layout.reason
    assert "although" not in _layout(tmp_path, HEADERS["bolt"][0], format="bolt").reason


def test_a_column_that_a_preset_knows_as_another_field(tmp_path):
    with pytest.raises(InputError, match=r"Allele2 is a column of alleles of SAIGE \(effect_allele\)"):
        _layout(tmp_path, HEADERS["saige"][0], columns={"other_allele": "Allele2"})


def test_names_of_columns_alone(tmp_path):
    layout = _layout(tmp_path, "snp Chr BP a1 A2 freq B SE p mlogp or")
    assert layout.format == "table"
    assert dict(layout.columns) == {
        "chrom": "Chr", "pos": "BP", "effect_allele": "a1", "other_allele": "A2", "id": "snp", "beta": "B",
        "odds_ratio": "or", "standard_error": "SE", "p_value": "p", "neg_log_10_p_value": "mlogp",
        "maf": "freq",
    }  # fmt: skip


def test_two_columns_of_one_field(tmp_path):
    with pytest.raises(InputError, match="P-value, p could be p_value"):
        _layout(tmp_path, "chr bp a1 a2 beta se p P-value")
    layout = _layout(tmp_path, "chr bp a1 a2 beta se p P-value", columns={"p_value": "P-value"})
    assert layout.columns["p_value"] == "P-value"


def test_missing_columns_are_named_with_their_aliases(tmp_path):
    with pytest.raises(InputError, match=r"no column for pos, p_value.*base_pair_location.*pval"):
        _layout(tmp_path, "chr a1 a2 beta")


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        (HEADERS["plink1"][0], ("other_allele",)),
        (HEADERS["ldsc"][0], ("chrom", "pos")),
        (HEADERS["prscs"][0], ("chrom", "pos")),
        ("SNP A1 BETA SE P", ("chrom", "pos", "other_allele")),
    ],
)
def test_what_a_file_of_positions_must_give(tmp_path, header, missing):
    layout = _layout(tmp_path, header)
    assert layout.missing == missing
    assert layout.needs_positions


def test_positions_in_markers_of_metal(tmp_path):
    row = "1:1000:A:G a g 0.1 0.01 0.5 0.1 1e-6 ++ 0 1 1"
    layout = _layout(tmp_path, HEADERS["metal"][0], [row])
    assert (layout.columns["variant"], layout.variant) == ("MarkerName", "{chrom}:{pos}")
    assert not layout.needs_positions


def test_ambiguous_alleles_stay_so_where_the_place_is_in_identifiers(tmp_path):
    layout = _layout(tmp_path, "MarkerName Allele1 Allele2 P", ["1:5:A:G A G 0.5"], needs=())
    assert layout.variant == "{chrom}:{pos}"
    assert not layout.directed


def test_alleles_that_the_user_names_for_something_else(tmp_path):
    layout = _layout(tmp_path, "chr pos id ref alt p", columns={"z": "alt"}, needs=())
    assert layout.columns["z"] == "alt"
    assert not {"effect_allele", "other_allele", "alt"} & set(layout.columns)


def test_names_that_differ_in_case_alone_are_no_other_column(tmp_path):
    with pytest.raises(InputError, match="has the effect"):
        _layout(tmp_path, "chr pos Allele1 Allele2 ALLELE1 beta se p")


def test_alleles_in_identifiers(tmp_path):
    table = "SNP CHR POS p.value", ["1:24722451_C_T 1 24722451 6.9e-05"]
    layout = _layout(tmp_path, *table, needs=("p_value",))
    assert layout.columns["variant"] == "SNP"
    assert not layout.directed
    with pytest.raises(InputError, match="which of the two alleles in SNP has the effect"):
        _layout(tmp_path, *table)
    named = _layout(tmp_path, *table, columns={"variant": "SNP"})
    assert named.directed
    assert named.ordered
    other = _layout(
        tmp_path, *table, columns={"variant": "SNP"}, variant="{chrom}:{pos}_{effect_allele}_{other_allele}"
    )
    assert not other.ordered


def test_plink2_has_the_other_allele_among_ref_and_alt(tmp_path):
    layout = _layout(tmp_path, HEADERS["plink2"][0])
    assert (layout.columns["ref"], layout.columns["alt"]) == ("REF", "ALT")
    assert "other_allele" not in layout.columns
    omitted = _layout(tmp_path, HEADERS["plink2"][1])
    assert omitted.columns["other_allele"] == "OMITTED"
    assert "ref" not in omitted.columns
    assert omitted.columns["standard_error"] == "LOG(OR)_SE"


def test_populations_are_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"no population is named.*meta_hq, EUR.*--population"):
        _layout(tmp_path, HEADERS["pan-ukb"][0])
    with pytest.raises(InputError, match="'AFR'"):
        _layout(tmp_path, HEADERS["pan-ukb"][0], population="AFR")
    with pytest.raises(OptionError, match="no columns for each population"):
        _layout(tmp_path, HEADERS["bolt"][0], population="EUR")


def test_scales_of_p_values_are_said(tmp_path):
    new, old = (_layout(tmp_path, header, population="eur") for header in HEADERS["pan-ukb"])
    assert new.columns["neg_log_10_p_value"] == "neglog10_pval_EUR"
    assert "neglog10_pval_EUR is -log10 of p" in new.reason
    assert old.columns["ln_p_value"] == "pval_EUR"
    assert "pval_EUR is the natural logarithm of p" in old.reason
    metal = _layout(tmp_path, HEADERS["metal"][2])
    assert metal.columns["log_10_p_value"] == "log(P)"


def test_phenotypes_side_by_side(tmp_path):
    header = "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA.a SE.a CHISQ.a LOG10P.a BETA.b SE.b LOG10P.b"
    with pytest.raises(InputError, match=r"no phenotype is named.* a, b "):
        _layout(tmp_path, header)
    layout = _layout(tmp_path, header, phenotype="b")
    assert (layout.columns["beta"], layout.columns["neg_log_10_p_value"]) == ("BETA.b", "LOG10P.b")


def test_errors_of_ratios(tmp_path):
    assert _layout(tmp_path, "chr bp ea nea or se_or p").error_of_ratio
    assert not _layout(tmp_path, "chr bp ea nea or se p").error_of_ratio


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"format": "plink"}, "'plink'; expected one of auto, table, gwas-ssf"),
        ({"columns": {"pvalue": "P"}}, "columns has pvalue; known are chrom"),
        ({"columns": {"beta": "P", "z": "P"}}, "P for both beta and z"),
    ],
)
def test_impossible_options(tmp_path, options, match):
    with pytest.raises(OptionError, match=match):
        _layout(tmp_path, "chr bp ea nea beta P", **options)


def test_a_named_column_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no column 'PVAL'"):
        _layout(tmp_path, "chr bp ea nea beta P", columns={"p_value": "PVAL"})


def test_the_documentation_lists_every_preset_and_every_name():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "reference" / "gwas-tables.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines()[::-1] if line.startswith("| `")}
    assert all(any(f"`{name}`" in row for row in rows) for name in GWAS_FORMATS)
    for field in FIELDS:
        line = next(line for row, line in rows.items() if f"`{field}`" in row.split(", "))
        names = line.split("|")[3].replace(";", ",").split(",")
        assert set(ALIASES.get(field, ())) <= {name.strip() for name in names}, field
    for name, preset in GWAS_FORMATS.items():
        if preset.columns.get("effect_allele") and name != "gwas-vcf":
            assert f"`{preset.columns['effect_allele']}`" in rows[f"`{name}`"]
