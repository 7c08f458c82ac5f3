"""Reports: pages, figures and number formats made from result documents."""
