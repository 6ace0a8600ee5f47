"""What only Airflow needs: the assets, sensors and triggers."""
