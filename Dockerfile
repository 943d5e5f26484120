# The command mifm with figures, fine-mapping, polygenic scores and interpretation, on CPUs:
#
#   docker build --tag mifm --build-arg TORCH_INDEX=INDEX .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" mifm score variants.vcf.gz genome.fa -o scores.tsv.gz
#
# INDEX is the address of the CPU builds that https://pytorch.org/get-started/locally/ names. Without it, and for GPUs
# (docker run --gpus all), PyTorch comes with CUDA, some gigabytes.
#
# It has not been built where the project is developed, for want of a registry of images; hadolint checks it, and a test
# installs the same wheel into an empty environment.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build==1.6.1 \
    && python -m build --wheel --outdir /wheel

FROM python:3.11-slim-bookworm
# bedtools reads BED files. Its version is that of the distribution's release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bedtools \
    && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheel /wheel
COPY constraints.txt /wheel/
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint /wheel/constraints.txt \
        "$(ls /wheel/*.whl)[finemapping,interpretation,liftover,plot,polygenic,scan,training]" \
    && rm -r /wheel
# Kipoi and matplotlib keep their configuration in the home folder, whoever runs the container.
ENV HOME=/home/mifm
RUN mkdir --mode=1777 /home/mifm
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["mifm"]
CMD ["--help"]
